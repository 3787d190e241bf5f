//! Stands in front of every answer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use headers::HeaderMapExt;
use headers::authorization::{Authorization, Basic};
use tokio::sync::Semaphore;

use super::reload::Access;
use super::rules::Rules;
use crate::web::ApiError;

/// Passwords that are hashed at a time: whoever guesses must not take the processor.
static HASHING: Semaphore = Semaphore::const_new(2);
/// Passwords that wait for that or are hashed: who comes beyond is to come again.
static WAITING: Semaphore = Semaphore::const_new(16);

/// The page has its own script and style, and asks nobody else.
const CAREFUL: [(HeaderName, &str); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Asks for the password where one is wanted, and sets the headers of the answer.
pub async fn guard(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    let rules = access.rules();
    // Whether the exporter lives is no secret, and kubelet has no password.
    let is_open = rules.users.is_empty() || request.uri().path().starts_with("/-/");
    let login = request.headers().typed_get::<Authorization<Basic>>();
    let may_pass = if is_open { Ok(true) } else { is_right(Arc::clone(&rules), login).await };
    let mut response = match may_pass {
        Ok(true) => next.run(request).await,
        Ok(false) => {
            let challenge =
                HeaderValue::from_static("Basic realm=\"rocketmq-store-exporter\", charset=\"UTF-8\"");
            ([(header::WWW_AUTHENTICATE, challenge)], ApiError::Unauthorized).into_response()
        }
        Err(busy) => busy.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in CAREFUL {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in &rules.headers {
        headers.insert(name, value.clone());
    }
    response
}

async fn is_right(rules: Arc<Rules>, login: Option<Authorization<Basic>>) -> Result<bool, ApiError> {
    let Some(Authorization(login)) = login else { return Ok(false) };
    if rules.users.is_known(login.username(), login.password()) {
        return Ok(true);
    }
    let _place = WAITING.try_acquire().map_err(|_| ApiError::Busy)?;
    let turn = HASHING.acquire().await.map_err(|_| ApiError::Busy)?;
    let check = move || {
        let is_right = rules.users.check(login.username(), login.password());
        // Here, as it goes on when the client that asked has gone.
        drop(turn);
        is_right
    };
    Ok(tokio::task::spawn_blocking(check).await.unwrap_or(false))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::rules::Users;
    use super::*;

    fn rules(cost: u32) -> Arc<Rules> {
        let hash = bcrypt::hash("secret", cost).unwrap();
        let users = Users::new([("prometheus".to_owned(), hash)].into());
        Arc::new(Rules { users, ..Rules::default() })
    }

    fn guess() -> Option<Authorization<Basic>> {
        Some(Authorization::basic("prometheus", "wrong"))
    }

    #[tokio::test]
    async fn guesses_were_hashed_all_at_once_if_their_clients_went() {
        let goes_on_without_its_client = async |cost| {
            let gone = tokio::time::timeout(Duration::ZERO, is_right(rules(cost), guess())).await;
            gone.is_err() && HASHING.available_permits() == 1
        };
        // On a machine that is held up a cheap one may be over too soon.
        let mut is_seen = false;
        for cost in 8..14 {
            is_seen = is_seen || goes_on_without_its_client(cost).await;
        }
        assert!(is_seen, "its turn is over only when the hash is");
        let turns = HASHING.acquire_many(2).await.unwrap();
        let rules = rules(4);
        let all = tokio::spawn(futures_of(32, move || is_right(Arc::clone(&rules), guess())));
        while WAITING.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        drop(turns);
        let all = all.await.unwrap();
        let refused = all.iter().filter(|told| matches!(told, Err(ApiError::Busy))).count();
        assert_eq!((refused, all.iter().filter(|told| matches!(told, Ok(false))).count()), (16, 16));
    }

    /// What so many say that are asked at once.
    async fn futures_of<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        count: usize,
        ask: impl Fn() -> F,
    ) -> Vec<T> {
        let asked: Vec<_> = (0..count).map(|_| tokio::spawn(ask())).collect();
        let mut told = Vec::new();
        for each in asked {
            told.push(each.await.unwrap());
        }
        told
    }
}
