//! The web configuration file (`web.config_file`), in the format of Prometheus' exporter-toolkit.
//!
//! | key | meaning |
//! |---|---|
//! | `tls_server_config.cert_file`, `key_file` (`cert`, `key` inline) | the server's certificate and key |
//! | `.client_ca_file` (`client_ca` inline), `.client_auth_type`, `.client_allowed_sans` | what is wanted of clients |
//! | `.min_version`, `.max_version` | `TLS12` or `TLS13` |
//! | `.cipher_suites`, `.prefer_server_cipher_suites`, `.curve_preferences` | as Go names them, for TLS 1.2 |
//! | `http_server_config.headers` | headers of every answer |
//! | `http_server_config.http2` | known, and without effect: HTTP/1.1 is spoken |
//! | `basic_auth_users` | users and the bcrypt hashes of their passwords |
//!
//! Files are relative to the directory of the web configuration file. Every problem is told; no value of a secret is.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use axum::http::{HeaderName, HeaderValue};
use serde_yaml::{Mapping, Value};

use super::layers::shown;
use super::{Origin, Problem};
use crate::store::told_file::{self, Links};
use crate::web::access::{
    CIPHER_SUITES, CURVES, ClientAuth, Fault, Headers, Pem, Rules, Tls, TlsSettings, Users, Version,
};

const TOP: [&str; 3] = ["tls_server_config", "http_server_config", "basic_auth_users"];
const TLS: [&str; 13] = [
    "cert_file",
    "key_file",
    "cert",
    "key",
    "client_ca_file",
    "client_ca",
    "client_auth_type",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "prefer_server_cipher_suites",
    "curve_preferences",
];
const HEADERS: [&str; 5] = [
    "Content-Security-Policy",
    "X-Frame-Options",
    "X-Content-Type-Options",
    "X-XSS-Protection",
    "Strict-Transport-Security",
];

/// Reads the file. Returns what holds, and the files that it was read from.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(path: &Path) -> Result<(Rules, Vec<PathBuf>), Vec<Problem>> {
    let mut reader = Reader { path, files: vec![path.to_owned()], problems: Vec::new() };
    let text =
        told_file::read_text(path, Links::Followed).map_err(|error| format!("a readable text file: {error}"));
    let parsed = text.and_then(|text| serde_yaml::from_str(&text).map_err(|error| format!("YAML: {error}")));
    let rules = match parsed {
        Ok(Value::Null) => Rules::default(),
        Ok(Value::Mapping(top)) => reader.rules(&top),
        Ok(_) => {
            reader.refuse("web.config_file", "a value", "a mapping of keys at its top");
            Rules::default()
        }
        Err(expected) => {
            reader.refuse("web.config_file", "a file", &expected);
            Rules::default()
        }
    };
    if reader.problems.is_empty() { Ok((rules, reader.files)) } else { Err(reader.problems) }
}

struct Reader<'a> {
    path: &'a Path,
    files: Vec<PathBuf>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn refuse(&mut self, key: &str, value: &str, expected: &str) {
        self.problems.push(Problem {
            key: key.to_owned(),
            value: value.to_owned(),
            expected: expected.to_owned(),
            origin: Origin::File(self.path.to_owned()),
        });
    }

    fn known_only(&mut self, section: &str, given: &Mapping, known: &[&str]) {
        for name in given.keys() {
            let name = name.as_str().map_or_else(|| shown(name), str::to_owned);
            if !known.contains(&name.as_str()) {
                let near = known.iter().min_by_key(|known| strsim::damerau_levenshtein(&name, known));
                let near = near.filter(|known| strsim::damerau_levenshtein(&name, known) <= 3);
                let expected =
                    near.map_or("a known key".to_owned(), |near| format!("a known key, perhaps {near}"));
                // Its value may be a secret that was put under the wrong name.
                self.refuse(&format!("{section}{name}"), "a value", &expected);
            }
        }
    }

    fn mapping<'v>(&mut self, top: &'v Mapping, name: &str) -> Option<&'v Mapping> {
        match top.get(name) {
            None | Some(Value::Null) => None,
            Some(Value::Mapping(section)) => Some(section),
            Some(_) => {
                self.refuse(name, "a value", "a mapping of keys");
                None
            }
        }
    }

    fn rules(&mut self, top: &Mapping) -> Rules {
        self.known_only("", top, &TOP);
        let tls = self.mapping(top, "tls_server_config").filter(|section| !section.is_empty());
        let tls = tls.and_then(|section| self.tls(section));
        let headers = self.mapping(top, "http_server_config").map(|section| self.http(section));
        let users = self.mapping(top, "basic_auth_users").map(|section| self.users(section));
        Rules { tls, users: users.unwrap_or_default(), headers: headers.unwrap_or_default() }
    }

    fn users(&mut self, section: &Mapping) -> Users {
        let mut hashes = BTreeMap::new();
        for (user, hash) in section {
            let user = user.as_str().map_or_else(|| shown(user), str::to_owned);
            match hash.as_str().filter(|hash| Users::is_hash(hash)) {
                Some(hash) if !user.is_empty() && !user.contains(':') => {
                    hashes.insert(user, hash.to_owned());
                }
                Some(_) => self.refuse("basic_auth_users", &format!("{user:?}"), "a name without a colon"),
                None => {
                    let key = format!("basic_auth_users.{user}");
                    self.refuse(&key, "a value", "a bcrypt hash such as htpasswd -nBC 10 \"\" prints");
                }
            }
        }
        Users::new(hashes)
    }

    fn http(&mut self, section: &Mapping) -> Headers {
        self.known_only("http_server_config.", section, &["http2", "headers"]);
        self.flag("http_server_config.http2", section.get("http2"));
        let mut headers = Headers::new();
        for (name, value) in self.mapping(section, "headers").into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            let key = format!("http_server_config.headers.{name}");
            let known = HEADERS.iter().find(|known| known.eq_ignore_ascii_case(name));
            let text = value.as_str().unwrap_or_default();
            let expected = match known.copied() {
                None => Some(format!("one of {}", HEADERS.join(", "))),
                Some("X-Frame-Options")
                    if !["deny", "sameorigin"].contains(&text.to_lowercase().as_str()) =>
                {
                    Some("deny or sameorigin".to_owned())
                }
                Some("X-Content-Type-Options") if text != "nosniff" => Some("nosniff".to_owned()),
                Some(_) if text.is_empty() => Some("a text".to_owned()),
                Some(_) => None,
            };
            let parts = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(text).ok());
            match (expected, parts) {
                (None, Some(header)) => headers.push(header),
                (expected, _) => {
                    let expected = expected.unwrap_or_else(|| "a text that a header can hold".to_owned());
                    self.refuse(&key, &shown(value), &expected);
                }
            }
        }
        headers
    }

    fn flag(&mut self, key: &str, value: Option<&Value>) -> Option<bool> {
        match value {
            None | Some(Value::Null) => None,
            Some(Value::Bool(value)) => Some(*value),
            Some(other) => {
                self.refuse(key, &shown(other), "true or false");
                None
            }
        }
    }

    fn tls(&mut self, section: &Mapping) -> Option<Tls> {
        let before = self.problems.len();
        self.known_only("tls_server_config.", section, &TLS);
        let cert = self.pem(section, "cert_file", "cert");
        let key = self.pem(section, "key_file", "key");
        for (name, found) in [("cert_file", &cert), ("key_file", &key)] {
            if found.is_none() {
                self.refuse(&format!("tls_server_config.{name}"), "nothing", "a path as text");
            }
        }
        let client_ca = self.pem(section, "client_ca_file", "client_ca");
        let client_auth =
            self.word(section, "client_auth_type", &ClientAuth::ALL.map(|auth| (auth.as_str(), auth)));
        let words = Version::ALL.map(|version| (version.as_str(), version));
        let oldest = self.word(section, "min_version", &words).unwrap_or(Version::Tls12);
        let newest = self.word(section, "max_version", &words).unwrap_or(Version::Tls13);
        if oldest > newest {
            self.refuse("tls_server_config.min_version", oldest.as_str(), "at most max_version");
        }
        let settings = TlsSettings {
            cert: cert?,
            key: key?,
            client_ca,
            client_auth: client_auth.unwrap_or(ClientAuth::None),
            allowed_sans: self.texts(section, "client_allowed_sans", &[]),
            versions: (oldest, newest),
            cipher_suites: self.texts(section, "cipher_suites", &CIPHER_SUITES),
            curves: self.texts(section, "curve_preferences", &CURVES),
            prefers_own_order: self
                .flag(
                    "tls_server_config.prefer_server_cipher_suites",
                    section.get("prefer_server_cipher_suites"),
                )
                .unwrap_or(true),
        };
        if self.problems.len() > before {
            return None;
        }
        match Tls::new(&settings) {
            Ok(tls) => Some(tls),
            Err(Fault { key, expected }) => {
                let value = section.get(key).map_or_else(|| "a value".to_owned(), shown);
                self.refuse(&format!("tls_server_config.{key}"), &value, &expected);
                None
            }
        }
    }

    /// A file by its path, relative to this one, or the text itself; not both.
    fn pem(&mut self, section: &Mapping, file: &str, inline: &str) -> Option<Pem> {
        let text = |name: &str| section.get(name).filter(|value| !value.is_null());
        match (text(file), text(inline)) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                self.refuse(
                    &format!("tls_server_config.{inline}"),
                    "a value",
                    &format!("nothing, as there is {file}"),
                );
                None
            }
            (Some(Value::String(path)), None) if !path.is_empty() => {
                let path = self.path.parent().unwrap_or(Path::new("")).join(path);
                self.files.push(path.clone());
                Some(Pem::File(path))
            }
            (None, Some(Value::String(text))) => Some(Pem::Text(text.clone())),
            (given, _) => {
                let (name, expected) =
                    if given.is_some() { (file, "a path as text") } else { (inline, "a text in PEM form") };
                self.refuse(&format!("tls_server_config.{name}"), "a value", expected);
                None
            }
        }
    }

    fn word<T: Copy>(&mut self, section: &Mapping, name: &str, words: &[(&str, T)]) -> Option<T> {
        let value = section.get(name).filter(|value| !value.is_null())?;
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word)).map(|(_, meant)| *meant);
        if found.is_none() {
            let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            self.refuse(
                &format!("tls_server_config.{name}"),
                &shown(value),
                &format!("one of {}", words.join(", ")),
            );
        }
        found
    }

    /// A list of texts, of these if there are any.
    fn texts(&mut self, section: &Mapping, name: &str, of: &[&str]) -> Vec<String> {
        let Some(value) = section.get(name).filter(|value| !value.is_null()) else { return Vec::new() };
        let key = format!("tls_server_config.{name}");
        let Some(list) = value.as_sequence() else {
            self.refuse(&key, &shown(value), "a list of texts");
            return Vec::new();
        };
        let mut found = Vec::new();
        for item in list {
            match item.as_str() {
                Some(text) if of.is_empty() || of.contains(&text) => found.push(text.to_owned()),
                _ if of.is_empty() => self.refuse(&key, &shown(item), "a text"),
                _ => self.refuse(&key, &shown(item), &format!("one of {}", of.join(", "))),
            }
        }
        found
    }
}
