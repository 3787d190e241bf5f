//! Who may ask: the web configuration file, TLS, passwords, and what happens when files change.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use axum::{Router, middleware};
use headers::Authorization;
use headers::authorization::Credentials;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rocketmq_store_exporter::config::read_web_file;
use rocketmq_store_exporter::web::access::{Access, Listener, guard};
use rocketmq_store_exporter::web::server;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    /// Certificate and key for a name, in PEM form.
    fn issue(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    /// Writes certificate and key for this host as `server.pem` and `server.key`.
    fn install(&self, dir: &Path) {
        let (cert, key) = self.issue("localhost");
        fs::write(dir.join("server.key"), key).unwrap();
        fs::write(dir.join("server.pem"), cert).unwrap();
    }
}

struct Site {
    dir: tempfile::TempDir,
    reads: Arc<AtomicUsize>,
}

impl Site {
    fn new(text: &str) -> Self {
        let site = Self { dir: tempfile::tempdir().unwrap(), reads: Arc::default() };
        fs::write(site.file(), text).unwrap();
        site
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("web.yaml")
    }

    fn access(&self) -> Arc<Access> {
        let file = self.file();
        let reads = Arc::clone(&self.reads);
        let read = move || {
            reads.fetch_add(1, Ordering::Relaxed);
            read_web_file(&file).map_err(|problems| problems.iter().map(ToString::to_string).collect())
        };
        Arc::new(Access::told(read).unwrap())
    }

    /// How often the file was read.
    fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// What is wrong with the file, without its path.
    fn problems(&self) -> Vec<String> {
        let origin = format!(" (from {})", self.file().display());
        let dir = format!("{}/", self.dir.path().display());
        let problems = read_web_file(&self.file()).map(|_| ()).unwrap_err();
        problems.iter().map(|problem| problem.to_string().replace(&origin, "").replace(&dir, "")).collect()
    }
}

fn app(access: &Arc<Access>) -> Router {
    Router::new()
        .route("/", get(|| async { "page" }))
        .route("/-/ready", get(|| async { "ready" }))
        .layer(middleware::from_fn_with_state(Arc::clone(access), guard))
}

fn login(user: &str, password: &str) -> String {
    Authorization::basic(user, password).0.encode().to_str().unwrap().to_owned()
}

async fn ask(app: &Router, path: &str, authorization: Option<&str>) -> axum::response::Response {
    let mut request = Request::get(path);
    if let Some(value) = authorization {
        request = request.header(header::AUTHORIZATION, value);
    }
    app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

fn hash() -> String {
    bcrypt::hash("secret", 4).unwrap()
}

#[tokio::test]
async fn without_a_file_everybody_may_ask_and_browsers_are_told_to_be_careful() {
    let response = ask(&app(&Arc::new(Access::open())), "/", None).await;
    assert_eq!(response.status(), StatusCode::OK);
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
    assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
}

#[tokio::test]
async fn a_password_is_wanted_for_all_but_health() {
    let site = Site::new(&format!("basic_auth_users: {{prometheus: '{}'}}", hash()));
    let app = app(&site.access());
    let refused = ask(&app, "/", None).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert!(refused.headers()[header::WWW_AUTHENTICATE].to_str().unwrap().starts_with("Basic realm="));
    assert_eq!(ask(&app, "/-/ready", None).await.status(), StatusCode::OK);
    for (user, password, status) in [
        ("prometheus", "secret", 200),
        ("prometheus", "secret", 200),
        ("prometheus", "Secret", 401),
        ("prometheus", "", 401),
        ("nobody", "secret", 401),
        ("", "", 401),
    ] {
        let found = ask(&app, "/", Some(&login(user, password))).await.status();
        assert_eq!(found, status, "{user}:{password}");
    }
    for odd in ["Basic", "Basic ?", "Bearer x", "Basic cHJvbWV0aGV1cw=="] {
        assert_eq!(ask(&app, "/", Some(odd)).await.status(), StatusCode::UNAUTHORIZED, "{odd}");
    }
}

#[tokio::test]
async fn headers_of_the_file_take_the_place_of_the_own() {
    let site = Site::new(
        "http_server_config:\n  http2: true\n  headers:\n    X-Frame-Options: deny\n    \
         Content-Security-Policy: default-src 'self'\n    Strict-Transport-Security: max-age=60",
    );
    let response = ask(&app(&site.access()), "/", None).await;
    let told = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!(told("x-frame-options"), "deny");
    assert_eq!(told("content-security-policy"), "default-src 'self'");
    assert_eq!(told("strict-transport-security"), "max-age=60");
}

#[test]
fn every_problem_of_the_file_is_told_and_no_secret_is() {
    let site = Site::new(
        "basic_auth_user: {a: topsecret}\nbasic_auth_users: {bob: topsecret, 'c:d': '$2b$04$abcdefghijklmnopqrstuu5s0W4a3Wn8yb1bGvA0TvZ8r6c4uQe3u'}\n\
         http_server_config: {http2: 2, http3: true, headers: {X-Frame-Options: maybe, Server: x}}\n\
         tls_server_config: {cert: topsecret, cert_file: a.pem, key_file: 7, client_auth_type: Sometimes, min_version: TLS10,\n  \
         max_version: TLS12, cipher_suites: [TLS_RSA_WITH_RC4_128_SHA], curve_preferences: CurveP521, rate: 1}\n",
    );
    let problems = site.problems();
    assert!(problems.iter().all(|problem| !problem.contains("topsecret")), "{problems:#?}");
    let begins = [
        "basic_auth_user: got a value, expected a known key, perhaps basic_auth_users",
        "tls_server_config.rate: got a value, expected a known key",
        "tls_server_config.cert: got a value, expected nothing, as there is cert_file",
        "tls_server_config.key_file: got a value, expected a path as text",
        "tls_server_config.cert_file: got nothing",
        "tls_server_config.key_file: got nothing",
        "tls_server_config.client_auth_type: got \"Sometimes\", expected one of NoClientCert, RequestClientCert",
        "tls_server_config.min_version: got \"TLS10\", expected one of TLS12, TLS13",
        "http_server_config.http3: got a value, expected a known key, perhaps http2",
        "http_server_config.http2: got 2, expected true or false",
        "http_server_config.headers.X-Frame-Options: got \"maybe\", expected deny or sameorigin",
        "http_server_config.headers.Server: got \"x\", expected one of Content-Security-Policy",
        "basic_auth_users.bob: got a value, expected a bcrypt hash",
    ];
    for begin in begins {
        assert!(problems.iter().any(|problem| problem.starts_with(begin)), "{begin} in {problems:#?}");
    }
    assert_eq!(
        Site::new("- a").problems(),
        ["web.config_file: got a value, expected a mapping of keys at its top"]
    );
    assert!(Site::new("").access().rules().users.is_empty(), "an empty file lets everybody in");
}

#[test]
fn certificates_that_cannot_be_used_are_told_with_their_file() {
    let site = Site::new("tls_server_config: {cert_file: server.pem, key_file: server.key}");
    let (dir, authority) = (site.dir.path(), Authority::new());
    let missing = site.problems();
    assert!(
        missing[0].contains("tls_server_config.cert_file") && missing[0].contains("server.pem: No such file"),
        "{missing:?}"
    );
    authority.install(dir);
    site.access();
    fs::write(dir.join("server.pem"), authority.issue("localhost").0).unwrap();
    assert!(
        site.problems()[0].contains("expected the key of the certificate in cert_file"),
        "{:?}",
        site.problems()
    );
    fs::write(dir.join("server.pem"), "no certificate").unwrap();
    assert!(site.problems()[0].contains("found none"));
    let unsigned = "tls_server_config: {cert_file: server.pem, key_file: server.key, client_auth_type: RequireAndVerifyClientCert}";
    authority.install(dir);
    fs::write(site.file(), unsigned).unwrap();
    assert!(
        site.problems()[0]
            .starts_with("tls_server_config.client_ca_file: got a value, expected the certificates")
    );
}

/// The exporter's listener with an app behind it.
async fn serve(access: Arc<Access>) -> SocketAddr {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let app = app(&access);
    let listener = Listener::new(tcp, access, Arc::default());
    tokio::spawn(server::serve(listener, app, server::Seats::new(8), CancellationToken::new()));
    address
}

/// Asks over TLS; the status line, or that nothing was agreed on.
async fn ask_tls(address: SocketAddr, trusted: &str, own: Option<(String, String)>) -> Option<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => {
            let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    };
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok();
    answer.lines().next().map(str::to_owned)
}

/// Asks until it is so: files are looked at once a second, when somebody asks.
async fn within_a_while(mut is_so: impl AsyncFnMut() -> bool) {
    let asked = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asked).await.unwrap();
}

const OK: &str = "HTTP/1.1 200 OK";

#[tokio::test]
async fn certificates_are_read_again_and_a_broken_one_leaves_the_one_before() {
    let site = Site::new("tls_server_config: {cert_file: server.pem, key_file: server.key}");
    let (old, new) = (Authority::new(), Authority::new());
    old.install(site.dir.path());
    let access = site.access();
    let address = serve(Arc::clone(&access)).await;
    assert_eq!(ask_tls(address, &old.pem(), None).await.as_deref(), Some(OK));
    assert_eq!(ask_tls(address, &new.pem(), None).await, None);
    fs::write(site.dir.path().join("server.pem"), "half a certif").unwrap();
    let read_before = site.reads();
    within_a_while(async || {
        access.rules();
        site.reads() > read_before
    })
    .await;
    assert_eq!(ask_tls(address, &old.pem(), None).await.as_deref(), Some(OK), "what was there before stays");
    new.install(site.dir.path());
    within_a_while(async || ask_tls(address, &new.pem(), None).await.as_deref() == Some(OK)).await;
    assert_eq!(ask_tls(address, &old.pem(), None).await, None);
}

#[tokio::test]
async fn clients_show_the_certificate_that_is_wanted() {
    let (server, clients, others) = (Authority::new(), Authority::new(), Authority::new());
    let good = || Some(clients.issue("prometheus.example"));
    let foreign = || Some(others.issue("prometheus.example"));
    let named = || Some(clients.issue("grafana.example"));
    let cases: [(&str, [bool; 4]); 6] = [
        ("client_auth_type: NoClientCert", [true, true, true, true]),
        ("client_auth_type: RequestClientCert", [true, true, true, true]),
        ("client_auth_type: RequireAnyClientCert", [false, true, true, true]),
        ("client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem", [true, true, false, true]),
        ("client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem", [false, true, false, true]),
        (
            "client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem, client_allowed_sans: [prometheus.example]",
            [false, true, false, false],
        ),
    ];
    for (setting, expected) in cases {
        let site = Site::new(&format!(
            "tls_server_config: {{cert_file: server.pem, key_file: server.key, {setting}}}"
        ));
        server.install(site.dir.path());
        fs::write(site.dir.path().join("ca.pem"), clients.pem()).unwrap();
        let address = serve(site.access()).await;
        for (own, is_served) in [None, good(), foreign(), named()].into_iter().zip(expected) {
            let answer = ask_tls(address, &server.pem(), own).await;
            assert_eq!(answer.as_deref() == Some(OK), is_served, "{setting}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_speak_holds_up_nobody() {
    let site =
        Site::new("tls_server_config: {cert_file: server.pem, key_file: server.key, min_version: TLS13}");
    let authority = Authority::new();
    authority.install(site.dir.path());
    let address = serve(site.access()).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(ask_tls(address, &authority.pem(), None).await.as_deref(), Some(OK));
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), plain.read_to_end(&mut answer)).await;
    assert!(ended.is_ok() && !answer.starts_with(b"HTTP"), "plain HTTP is turned away at once");
    drop(silent);
}
