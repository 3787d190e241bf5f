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


# Releases of which repositories may lack artifacts: what is then taken from which release, and what at least is of its own.
COMPLETED = {
    "5.3.4": ("5.3.3", ("store", "broker", "controller")),
    "5.5.1": ("5.5.0", ("store", "broker", "controller", "common", "remoting", "tiered-store")),
}


def jars(release):
    """Directory with the full class path of a release; fetched when it is not there yet."""
    target = CACHE / f"lib-{release}"
    if any(target.glob("rocketmq-broker-*.jar")):
        return target
    CACHE.mkdir(parents=True, exist_ok=True)
    done = _whole(release, target)
    if done is not None and release in COMPLETED:
        done = _completed(release, target, *COMPLETED[release])
    if done is not None:
        raise SystemExit(f"lab: Maven could not fetch RocketMQ {release}:\n{done[-2000:]}")
    return target


def _whole(release, target):
    """With all that it depends on; what Maven said if it could not."""
    # Some releases publish no name server or tools; the broker alone is enough for those.
    for artifacts in (("broker", "namesrv", "tools"), ("broker",)):
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            pom = Path(scratch) / "pom.xml"
            pom.write_text(POM.format("".join(DEPENDENCY.format(name, release) for name in artifacts)))
            fetched = Path(scratch) / "jars"
            done = _maven("-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={fetched}")
            if done.returncode == 0:
                shutil.rmtree(target, ignore_errors=True)
                fetched.rename(target)
                return None
    return done.stdout


def _completed(release, target, other, own):
    """Its own artifacts among those of another release; what Maven said if it could not."""
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        mixed = Path(scratch) / "jars"
        shutil.copytree(jars(other), mixed)
        for name in own:
            artifact = f"org.apache.rocketmq:rocketmq-{name}:{release}"
            done = _maven("dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={mixed}")
            if done.returncode != 0:
                return done.stdout
            (mixed / f"rocketmq-{name}-{other}.jar").unlink(missing_ok=True)
        shutil.rmtree(target, ignore_errors=True)
        mixed.rename(target)
    return None


def _maven(*arguments):
    return subprocess.run(["mvn", "-q", "-B", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)


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
