"""Jars of a RocketMQ release, fetched with Maven once and kept in a cache directory."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
CACHE = Path(os.environ.get("LAB_CACHE", REPOSITORY / "target" / "lab")).resolve()

# One release's name server and client serve brokers of any other.
CLIENT_RELEASE = "5.2.0"

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>lab</groupId><artifactId>lab</artifactId><version>1</version><dependencies>{}</dependencies></project>"""
DEPENDENCY = """<dependency><groupId>org.apache.rocketmq</groupId>
<artifactId>rocketmq-{}</artifactId><version>{}</version></dependency>"""


def jars(release):
    """Directory with the full class path of a release; fetched when it is not there yet."""
    target = CACHE / f"lib-{release}"
    if any(target.glob("rocketmq-broker-*.jar")):
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    # Some releases publish no name server or tools; the broker alone is enough for those.
    for artifacts in (("broker", "namesrv", "tools"), ("broker",)):
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            pom = Path(scratch) / "pom.xml"
            pom.write_text(POM.format("".join(DEPENDENCY.format(name, release) for name in artifacts)))
            fetched = Path(scratch) / "jars"
            done = subprocess.run(
                ["mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={fetched}"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
            if done.returncode == 0:
                shutil.rmtree(target, ignore_errors=True)
                fetched.rename(target)
                return target
    raise SystemExit(f"lab: Maven could not fetch RocketMQ {release}:\n{done.stdout[-2000:]}")


def client_classes():
    """Directory with the compiled Java client of the lab; compiled again when its source is newer."""
    source = HERE / "java" / "LabClient.java"
    target = CACHE / "classes"
    compiled = target / "LabClient.class"
    if not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime:
        target.mkdir(parents=True, exist_ok=True)
        subprocess.run(["javac", "-nowarn", "-cp", f"{jars(CLIENT_RELEASE)}/*", "-d", target, source],
                       check=True, timeout=180, stderr=subprocess.DEVNULL)
    return target
