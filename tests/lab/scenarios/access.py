"""A real Prometheus scrapes over TLS: with a password, with a client's certificate, with the wrong ones."""

import json
import subprocess
import urllib.request

import exporter
from processes import Child, free_port, wait_until
from scrape import answers

WEB = """
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_ca_file: ca.pem
  client_auth_type: {auth}
{users}
"""
JOB = """
  - job_name: {name}
    scheme: https
    static_configs: [{{targets: ["localhost:{port}"]}}]
    tls_config: {{ca_file: {ca}{own}}}
{login}
"""


def scraped(verdicts, directory):
    directory.mkdir(parents=True)
    old, new, foreign = (_authority(directory / name) for name in ("old", "new", "foreign"))
    _issue(old, "server", "localhost")
    for authority in (old, foreign):
        _issue(authority, "client", "prometheus.example")
    password = _exporter(directory / "password", old, "NoClientCert", f"basic_auth_users:\n  prometheus: {_hash()}")
    certificate = _exporter(directory / "certificate", old, "RequireAndVerifyClientCert", "")
    own = lambda authority: f", cert_file: {authority}/client.pem, key_file: {authority}/client.key"
    login = lambda word: f"    basic_auth: {{username: prometheus, password: {word}}}"
    jobs = {
        "password": (password, old, "", login("secret")),
        "wrong-password": (password, old, "", login("guess")),
        "no-password": (password, old, "", ""),
        "certificate": (certificate, old, own(old), ""),
        "foreign-certificate": (certificate, old, own(foreign), ""),
        "no-certificate": (certificate, old, "", ""),
        "after-the-change": (password, new, "", login("secret")),
    }
    text = "".join(JOB.format(name=name, port=port, ca=f"{ca}/ca.pem", own=own, login=login)
                   for name, (port, ca, own, login) in jobs.items())
    conf = directory / "prometheus.yml"
    conf.write_text(f"global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:{text}")
    url = f"http://127.0.0.1:{free_port()}"
    Child(["prometheus", f"--config.file={conf}", f"--storage.tsdb.path={directory}/tsdb", f"--web.listen-address={url[7:]}"],
          directory / "prometheus.out")
    wait_until(lambda: answers(f"{url}/-/ready"), 30, "Prometheus")
    wait_until(lambda: len(_up(url)) == len(jobs), 30, "a scrape of each job")
    expected = {name: name in ("password", "certificate") for name in jobs}
    _settles(verdicts, url, "who is let in", expected)
    _issue(new, "server", "localhost")
    for name in ("server.key", "server.pem"):
        (directory / "password" / name).write_bytes((new / name).read_bytes())
    # Connections that stand go on with what they have agreed on.
    _settles(verdicts, url, "after the server's certificate was replaced", dict(expected, **{"after-the-change": True}))
    health = subprocess.run(["curl", "-s", "--cacert", new / "ca.pem", f"https://localhost:{password}/-/ready"], capture_output=True, text=True)
    verdicts.equal("health wants no password", health.stdout, "ready\n")


def _settles(verdicts, url, what, expected):
    try:
        wait_until(lambda: _up(url) == expected, 20, what)
    except TimeoutError:
        pass
    verdicts.equal(what, _up(url), expected)


def _up(url):
    with urllib.request.urlopen(f"{url}/api/v1/query?query=up", timeout=5) as reply:
        answer = json.load(reply)
    return {each["metric"]["job"]: each["value"][1] == "1" for each in answer["data"]["result"]}


def _exporter(home, authority, auth, users):
    home.mkdir()
    for name in ("server.key", "server.pem", "ca.pem"):
        (home / name).write_bytes((authority / name).read_bytes())
    (home / "web.yaml").write_text(WEB.format(auth=auth, users=users))
    port = free_port()
    Child([exporter.BINARY, "--store.path", home / "store", "--state.path", home / "state", "--web.config.file", home / "web.yaml",
           "--web.listen-address", f"127.0.0.1:{port}"], home / "out")
    return port


def _hash():
    """The hash of `secret`, as an operator makes it."""
    made = subprocess.run(["htpasswd", "-nbBC", "4", "prometheus", "secret"], capture_output=True, text=True, check=True)
    return made.stdout.strip().split(":", 1)[1]


def _openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def _authority(home):
    home.mkdir()
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={home.name}", "-keyout", home / "ca.key", "-out", home / "ca.pem")
    return home


def _issue(authority, name, host):
    request = authority / f"{name}.csr"
    _openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}",
             "-keyout", authority / f"{name}.key", "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", authority / "ca.pem", "-CAkey", authority / "ca.key", "-CAcreateserial", "-days", 2,
             "-copy_extensions", "copy", "-out", authority / f"{name}.pem")
