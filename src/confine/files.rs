//! Files and ports: Landlock, since Linux 5.13; ports since 6.7.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd,
    Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};

use super::{Part, Writes};

/// The newest generation of Landlock that this was tried with. Older kernels know less of it, and refuse what they know.
const TRIED: ABI = ABI::V7;
/// The first one that refuses ports.
const WITH_PORTS: ABI = ABI::V4;

/// What the system tells of processes, its own memory and cores among it.
const SYSTEM: [&str; 3] = ["/proc", "/sys/fs/cgroup", "/sys/devices/system/cpu"];

/// Refuses this thread everything but to read below `places`, to list names, and to write as told. Returns what then holds.
pub(super) fn restrict(places: &BTreeSet<PathBuf>, writes: &Writes) -> Result<&'static [Part], String> {
    let status = ruleset(places, writes).and_then(RulesetCreated::restrict_self);
    match status.map_err(|error| format!("files: {error}"))?.landlock {
        LandlockStatus::NotEnabled => Err("files: Landlock is off in this kernel".to_owned()),
        LandlockStatus::NotImplemented => Err("files: no Landlock here, or it is refused".to_owned()),
        LandlockStatus::Available { effective_abi, .. } if effective_abi >= WITH_PORTS => {
            Ok(&[Part::Files, Part::Network])
        }
        LandlockStatus::Available { .. } => Ok(&[Part::Files]),
    }
}

fn ruleset(places: &BTreeSet<PathBuf>, writes: &Writes) -> Result<RulesetCreated, RulesetError> {
    let reading = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(TRIED))?
        .handle_access(AccessNet::from_all(TRIED))?
        .scope(Scope::from_all(TRIED))?
        .create()?;
    ruleset = allow(ruleset, Path::new("/"), AccessFs::ReadDir.into())?;
    for place in SYSTEM.iter().map(Path::new).chain(places.iter().map(PathBuf::as_path)) {
        ruleset = allow(ruleset, place, reading)?;
    }
    let Some(dir) = writes.dir() else { return Ok(ruleset) };
    ruleset = allow(
        ruleset,
        dir,
        reading
            | make_bitflags!(AccessFs::{
                WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | RemoveDir | Refer
            }),
    )?;
    match (writes, dir.parent()) {
        // At its end it removes the directory in which it played, which is then empty.
        (Writes::Play(_), Some(holder)) => allow(ruleset, holder, AccessFs::RemoveDir.into()),
        _ => Ok(ruleset),
    }
}

fn allow(
    ruleset: RulesetCreated,
    place: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    match PathFd::new(place) {
        // A file has no names to list.
        Ok(at) if place.is_dir() => ruleset.add_rule(PathBeneath::new(at, access)),
        Ok(at) => ruleset.add_rule(PathBeneath::new(at, access & AccessFs::from_file(TRIED))),
        // What is not there cannot be read.
        Err(_) => Ok(ruleset),
    }
}
