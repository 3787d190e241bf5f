//! What the fuzz targets take without harm: inputs that once did some, and what fuzzing begins with.

#[path = "fuzz/src/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use targets::TARGETS;

/// The longest that one input may take: two runs without optimization, on a machine with other work to do.
const MOST: Duration = Duration::from_secs(60);

/// The allocator counts for the whole process, so that nothing may run beside.
#[test]
fn every_target_keeps_its_promises_over_regressions_and_seeds() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/regressions");
    let known = |name: &str| TARGETS.iter().any(|target| target.name == name);
    for entry in fs::read_dir(&kept).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(known(&name), "{name} is no target");
    }
    for target in &TARGETS {
        let mut inputs: Vec<_> = fs::read_dir(kept.join(target.name)).into_iter().flatten().collect();
        inputs.sort_by_key(|entry| entry.as_ref().unwrap().path());
        let regressions = inputs.into_iter().map(|entry| fs::read(entry.unwrap().path()).unwrap());
        let seeds = (target.seeds)().into_iter().step_by(7);
        for (number, input) in regressions.chain(seeds).chain([Vec::new()]).enumerate() {
            let began = Instant::now();
            target.check(&input);
            assert!(began.elapsed() < MOST, "{}, input {number}: {:?}", target.name, began.elapsed());
        }
    }
}

#[test]
fn every_target_is_a_program_of_the_fuzz_package() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
    for target in &TARGETS {
        let program = fs::read_to_string(fuzz.join(format!("fuzz_targets/{}.rs", target.name))).unwrap();
        assert!(program.contains(&format!("target!(\"{}\")", target.name)), "{program}");
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{}.rs\"", target.name)), "{}", target.name);
    }
}
