//! The next start of a broker, told to people and their tools.
//!
//! Knows how a question is typed and what is assumed where it is silent, what the numbers of a [`crate::recovery::Forecast`]
//! mean to an operator (findings), and what could be done instead (remedies). Does not know what recovery does: every number
//! is the recovery's own, a remedy is another forecast.
//!
//! Promises: nothing is guessed. A release that is not known, a kind of store that is not modelled and a budget that is used
//! up make an inconclusive answer that says so.
//!
//! | file | what |
//! |---|---|
//! | [`asked`] | a question as typed, and all its problems |
//! | [`assumption`] | what is assumed: release, mode, properties, kind of shutdown, each with its source |
//! | [`answer`](mod@answer) | the object of the public JSON |
//! | [`finding`] | catalogue of findings; [`evidence`] finds them in a forecast |
//! | [`remedy`] | what could be done instead, each computed |
//! | [`comparison`] | releases and remedies side by side |
//! | [`estimate`] | how long a start takes |
//! | [`text`], [`text_table`] | the answer for a terminal |

pub mod answer;
pub mod asked;
pub mod assumption;
pub mod comparison;
pub mod estimate;
pub mod evidence;
pub mod finding;
pub mod remedy;
pub mod text;
pub mod text_table;

pub use answer::{Preview, PreviewError, QueueScope};
pub use asked::{Asked, Problem};
pub use assumption::Surroundings;
