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
    let mut response = if is_open || is_right(Arc::clone(&rules), login).await {
        next.run(request).await
    } else {
        let challenge =
            HeaderValue::from_static("Basic realm=\"rocketmq-store-exporter\", charset=\"UTF-8\"");
        ([(header::WWW_AUTHENTICATE, challenge)], ApiError::Unauthorized).into_response()
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

async fn is_right(rules: Arc<Rules>, login: Option<Authorization<Basic>>) -> bool {
    let Some(Authorization(login)) = login else { return false };
    if rules.users.is_known(login.username(), login.password()) {
        return true;
    }
    let Ok(_permit) = HASHING.acquire().await else { return false };
    let check = move || rules.users.check(login.username(), login.password());
    tokio::task::spawn_blocking(check).await.unwrap_or(false)
}
