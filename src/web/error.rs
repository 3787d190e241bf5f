//! How a request is refused: `{"error":"<stable word>","message":"<for people>"}`.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::preview::{PreviewError, Problem};

/// Seconds after which it is worth coming back.
const RETRY_AFTER: &str = "1";

/// Why a request gets no answer.
#[derive(Debug, thiserror::Error)]
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
    /// What is asked about the next start cannot be used.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Question(Vec<Problem>),
    /// The turn of this question did not come in time.
    #[error("others ask too, and their answers take long; come back in a second")]
    Busy,
    /// The store cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// The answer could not be made.
    #[error("the answer could not be made; the exporter's log tells why")]
    Failed,
    /// Without the right password.
    #[error("a user and a password are wanted")]
    Unauthorized,
    /// No such path.
    #[error("no such path")]
    NotFound,
    /// A method that is neither GET nor HEAD.
    #[error("only GET and HEAD are answered")]
    Method,
    /// The store has not been looked at yet, or there is none.
    #[error("the store has not been seen yet; /api/v1/store says what stands there")]
    NotYet,
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        Self::Question(vec![problem])
    }
}

impl From<PreviewError> for ApiError {
    fn from(error: PreviewError) -> Self {
        match error {
            PreviewError::Problems(problems) => Self::Question(problems),
            PreviewError::NoStore { .. } => Self::NotYet,
            PreviewError::Conf { .. } | PreviewError::Recovery(_) => Self::Unreadable(error.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, word) = match &self {
            Self::Parameter { .. } | Self::Question(_) => (StatusCode::BAD_REQUEST, "bad_parameter"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
            Self::Failed => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
            Self::NotYet => (StatusCode::SERVICE_UNAVAILABLE, "not_yet"),
            Self::Unreadable(_) => (StatusCode::SERVICE_UNAVAILABLE, "unreadable"),
        };
        let body = serde_json::json!({ "error": word, "message": self.to_string() });
        if matches!(self, Self::Busy) {
            return (status, [(header::RETRY_AFTER, RETRY_AFTER)], Json(body)).into_response();
        }
        (status, Json(body)).into_response()
    }
}
