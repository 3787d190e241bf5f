//! Capabilities, and the ways to gain some.

use std::os::unix::fs::MetadataExt;

use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities, set_no_new_privs};

use super::Writes;

/// Keeps of the capabilities only those by which root reads what belongs to others, and leaves no trace in its times of access.
pub(super) fn drop_all_but_reading(writes: &Writes) -> Result<(), String> {
    let told = |error| format!("privileges: {error}");
    set_no_new_privs(true).map_err(told)?;
    let mut sets = capabilities(None).map_err(told)?;
    let mut keep = CapabilitySet::DAC_READ_SEARCH | CapabilitySet::FOWNER;
    let is_own = |dir: &std::path::PathBuf| {
        std::fs::metadata(dir).is_ok_and(|metadata| metadata.uid() == geteuid().as_raw())
    };
    // Containers run by root often have this one alone; and the state may belong to somebody else.
    if !sets.permitted.contains(CapabilitySet::DAC_READ_SEARCH) || !writes.dir().is_none_or(is_own) {
        keep |= CapabilitySet::DAC_OVERRIDE;
    }
    let before = sets;
    sets.permitted &= keep;
    sets.effective &= keep;
    sets.inheritable = CapabilitySet::empty();
    // Where there is nothing to drop the call may itself be refused, as by a filter of systemd.
    if sets == before { Ok(()) } else { set_capabilities(None, sets).map_err(told) }
}
