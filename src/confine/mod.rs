//! What the process gives up before it looks at a store, so that no mistake in it can harm a broker.
//!
//! It knows what the kernel can refuse a process, and how to ask for that; it does not know what a store is. Three layers, each of
//! which holds without the others: rules on files and ports (Landlock), a list of system calls that are refused (seccomp), and no
//! privileges.
//!
//! Promises: what is refused is refused with an error, never by ending the process; what a kernel cannot do is left out and told;
//! after [`confine`] nothing can be taken back, by nobody.
//!
//! It holds for the calling thread and those that it starts later, so it is called before there are others, and after everything
//! was opened that needs more: ports are bound, the state directory is made.
//!
//! Reading is allowed by what a path says, not by what stands there at the moment: see [`places`]. Names can be listed everywhere, since
//! the release of a broker is told by the jars beside it, and where they lie is known only once it runs.

mod files;
pub mod places;
mod privileges;
mod system_calls;
mod verdict;

pub use verdict::{Confinement, Needs, Part, Writes, confine};
