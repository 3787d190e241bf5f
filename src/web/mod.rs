//! What the outside gets to see over HTTP.
//!
//! It knows how answers are written; it does not know where their content comes from. What is served was put together before the
//! request came, but for questions about the next start: these read the store, on threads that may wait for a disk.
//!
//! | path | answer |
//! |---|---|
//! | `GET /` | the page for people: what is seen |
//! | `GET /preview` | the page for people: what the next start would do |
//! | `GET /assets/…` | what the page is made of |
//! | `GET /metrics` | the metrics, as text 0.0.4 or OpenMetrics; the path can be configured |
//! | `GET /-/healthy` | 200 as long as the process lives and its tasks go on; else 503 and which one does not |
//! | `GET /-/ready` | 200 once configuration is read and HTTP is up; no matter what the broker does |
//! | `GET /api/v1/store` | what is known of broker and store |
//! | `GET /api/v1/queues?topic=&cursor=&limit=` | queues, in pages |
//! | `GET /api/v1/preview?version=&mode=&shutdown=&set=&without=&queues=` | what the next start would do; 429 when its turn does not come in time |
//! | `GET /api/v1/compare?versions=&remedies=` | the same for several releases, kinds of shutdown or remedies; the parameters of a preview too |
//! | `GET /api/v1/events?since=` | what was worth telling, behind entry number `since` |
//! | `GET /api/v1/history?since=` | a few figures of the last hour, behind the time `since` |

pub mod access;
mod answers;
mod api;
mod desk;
mod error;
mod format;
mod health;
mod openmetrics;
mod packed;
mod page;
mod router;
mod scrape;
pub mod server;
mod state;

pub use answers::Answers;
pub use api::queue as queue_json;
pub use error::ApiError;
pub use format::Format;
pub use openmetrics::encode;
pub use router::{Shared, router};
pub use state::picture as picture_json;
