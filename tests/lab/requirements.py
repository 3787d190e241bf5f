"""Programs the lab needs, by the Debian package that brings them."""

import os
import shutil
import subprocess

PACKAGE_OF = {
    "java": "openjdk-17-jdk-headless",
    "javac": "openjdk-17-jdk-headless",
    "mvn": "maven",
    "cargo": "cargo",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "strace": "strace",
    "openssl": "openssl",
    "jq": "jq",
    "htpasswd": "apache2-utils",
    "fusermount3": "fuse3",
}


def require(*programs):
    """Ends the run with the list of what is missing, or installs it when LAB_INSTALL=1."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.environ.get("LAB_INSTALL") == "1":
        packages = sorted({PACKAGE_OF[program] for program in missing})
        subprocess.run(["apt-get", "install", "-y", "--no-install-recommends", *packages], check=True, timeout=900)
        missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        lines = [f"  {program}  (Debian package {PACKAGE_OF[program]})" for program in missing]
        raise SystemExit("lab: missing programs (LAB_INSTALL=1 installs them with apt-get):\n" + "\n".join(lines))
