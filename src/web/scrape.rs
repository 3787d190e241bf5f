//! `/metrics`.

use std::sync::Arc;

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::desk::Desk;
use super::router::Shared;
use super::{Format, encode};

/// A scrape, made on `desk`: the observer may be held for some milliseconds by whoever feeds it.
pub(super) async fn metrics(desk: Arc<Desk>, shared: Shared, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::negotiate(accept);
    match desk.done(move || encode(format, &shared.registry.gather())).await {
        Some(body) => ([(header::CONTENT_TYPE, format.content_type())], body).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
