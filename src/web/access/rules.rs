//! What holds for requests.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderName, HeaderValue};
use ring::digest::{SHA256, digest};

use super::tls::Tls;

/// Logins that were right, kept so that a scrape every few seconds does not cost a hash each.
const KEPT: usize = 100;
/// The hash of nothing that anybody knows: a user who is not there takes as long to refuse as one who is.
const NOBODY: &str = "$2b$10$CwTycUXWue0Thq9StjUM0uJ8i.K2pPMrjyNbnF3JzhQ4SnLO0wVdG";

/// Headers of every answer.
pub type Headers = Vec<(HeaderName, HeaderValue)>;

/// What holds until the file changes. The default lets everybody in, over plain HTTP.
#[derive(Debug, Default)]
pub struct Rules {
    /// TLS, if it is spoken.
    pub tls: Option<Tls>,
    /// Who may ask.
    pub users: Users,
    /// Headers beside those of [`super::guard`], or in place of them.
    pub headers: Headers,
}

/// Users and the bcrypt hashes of their passwords; without any, everybody may ask.
#[derive(Default)]
pub struct Users {
    hashes: BTreeMap<String, String>,
    known: Mutex<HashSet<Vec<u8>>>,
}

impl std::fmt::Debug for Users {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.hashes.keys()).finish()
    }
}

impl Users {
    /// These users, with their hashes.
    #[must_use]
    pub fn new(hashes: BTreeMap<String, String>) -> Self {
        Self { hashes, known: Mutex::default() }
    }

    /// Whether this is a hash that can be compared with.
    #[must_use]
    pub fn is_hash(text: &str) -> bool {
        ["$2a$", "$2b$", "$2y$"].iter().any(|kind| text.starts_with(kind))
            && text.parse::<bcrypt::HashParts>().is_ok()
    }

    /// Whether everybody may ask.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// Whether the login was right a moment ago.
    pub(super) fn is_known(&self, user: &str, password: &str) -> bool {
        self.known().contains(&self.mark(user, password))
    }

    /// Whether the login is right. Takes as long as bcrypt does.
    pub(super) fn check(&self, user: &str, password: &str) -> bool {
        let hash = self.hashes.get(user);
        let is_right = bcrypt::verify(password, hash.map_or(NOBODY, String::as_str)).unwrap_or(false);
        let is_right = is_right && hash.is_some();
        if is_right {
            let mut known = self.known();
            if known.len() >= KEPT {
                known.clear();
            }
            known.insert(self.mark(user, password));
        }
        is_right
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<Vec<u8>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands for a login without holding the password.
    fn mark(&self, user: &str, password: &str) -> Vec<u8> {
        let hash = self.hashes.get(user).map_or(NOBODY, String::as_str);
        digest(&SHA256, format!("{}\0{user}\0{hash}\0{password}", user.len()).as_bytes()).as_ref().to_vec()
    }
}
