//! `/`, `/preview` and `/assets/…`: the page for people. It draws itself in the browser from what the API answers.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::error::ApiError;

/// A part of the page: its name below `/assets/`, its type, its content.
type Asset = (&'static str, &'static str, &'static str);

const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! assets {
    ($($name:literal $kind:expr;)+) => {
        /// Everything that the page is made of.
        const ASSETS: &[Asset] = &[$(($name, $kind, include_str!(concat!("page/", $name)))),+];
    };
}

assets! {
    "style.css" "text/css; charset=utf-8";
    "icon.svg" "image/svg+xml";
    "texts.json" "application/json";
    "main.js" SCRIPT;
    "overview.js" SCRIPT;
    "preview.js" SCRIPT;
    "question.js" SCRIPT;
    "comparison.js" SCRIPT;
    "table.js" SCRIPT;
    "chart.js" SCRIPT;
    "parts.js" SCRIPT;
    "texts.js" SCRIPT;
    "preact.js" SCRIPT;
}

const SHELL: Asset = ("page.html", "text/html; charset=utf-8", include_str!("page/page.html"));

pub(super) async fn page(headers: HeaderMap) -> Response {
    answer(&SHELL, &headers)
}

pub(super) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let asset = ASSETS.iter().find(|(known, ..)| *known == name).ok_or(ApiError::NotFound)?;
    Ok(answer(asset, &headers))
}

/// The content, or that it is what the browser has already: it asks each time, as another release may answer.
fn answer((_, kind, content): &Asset, asked: &HeaderMap) -> Response {
    let tag = format!("\"{:08x}\"", crc32fast::hash(content.as_bytes()));
    let is_known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let headers = [
        (header::CONTENT_TYPE, (*kind).to_owned()),
        (header::CACHE_CONTROL, "no-cache".to_owned()),
        (header::ETAG, tag),
    ];
    if is_known {
        (StatusCode::NOT_MODIFIED, headers).into_response()
    } else {
        (headers, *content).into_response()
    }
}
