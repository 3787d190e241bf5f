//! How a request is refused: `{"error":"<stable word>","message":"<for people>"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why a request gets no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// A parameter of the query cannot be used.
    #[error("{name}: found {found:?}, expected {expected}")]
    Parameter {
        /// The parameter.
        name: &'static str,
        /// Its value.
        found: String,
        /// What would do.
        expected: &'static str,
    },
    /// No such path.
    #[error("no such path")]
    NotFound,
    /// The store has not been looked at yet, or there is none.
    #[error("the store has not been seen yet; /api/v1/store says what stands there")]
    NotYet,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, word) = match &self {
            Self::Parameter { .. } => (StatusCode::BAD_REQUEST, "bad_parameter"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::NotYet => (StatusCode::SERVICE_UNAVAILABLE, "not_yet"),
        };
        let body = serde_json::json!({ "error": word, "message": self.to_string() });
        (status, Json(body)).into_response()
    }
}
