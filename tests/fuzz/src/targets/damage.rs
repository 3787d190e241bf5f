//! A small language of damages to the store of a real broker, so that an input of few bytes reaches any byte of any file.
//!
//! | bytes | meaning |
//! |---|---|
//! | 1, 1, 1 | which store, which release, how it is asked |
//! | 1, 2, 3 and what the damage needs | one damage: its kind, the file, the position in it; again until the input ends |

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::recovery_case::Case;
use super::seeds::case;

/// Stores of all kinds, small ones.
const CASES: [&str; 12] = [
    "5.2.0-plain-f0",
    "5.2.0-dledger-f0",
    "5.3.3-batch-plain-r0",
    "5.5.0-controller-controller-f0",
    "4.9.7-ext-dledger-f0",
    "5.1.4-ext-plain-r0",
    "5.5.0-lmq-plain-f0",
    "5.5.0-start-dledger-s3",
    "5.2.0-start-plain-x0",
    "5.2.0-multipath-plain-f0",
    "5.1.4-migrate-dledger-f0",
    "4.9.7-plain-f1",
];

/// Names that a file may get.
const NAMES: [&str; 7] = [
    "9223372036854775807",
    "-0000000000000000020",
    "00000000000000000001",
    "00000000000000016384",
    "18446744073709551615",
    "99999999999999999999",
    "x\u{1b}[2J\n\"<b>",
];

/// How the store is asked about.
pub struct Dials {
    /// Which row of the releases.
    pub release: usize,
    /// The rest.
    pub flags: u8,
}

/// One store, and what its files hold while they are whole. Zeros at the end of a file are not kept.
struct Ground {
    case: Case,
    files: Vec<(PathBuf, Vec<u8>, u64)>,
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut taken = [0; N];
        let len = N.min(self.0.len());
        taken[..len].copy_from_slice(&self.0[..len]);
        self.0 = &self.0[len..];
        taken
    }

    fn byte(&mut self) -> usize {
        usize::from(self.bytes::<1>()[0])
    }

    fn position(&mut self) -> u64 {
        let [a, b, c] = self.bytes();
        u64::from(u32::from_be_bytes([0, a, b, c]))
    }
}

/// Damages a store as `bytes` say, has it looked at, and mends it.
pub fn with(bytes: &[u8], look: impl FnOnce(&Case, &Dials)) {
    thread_local! {
        static GROUNDS: RefCell<Vec<Option<Ground>>> = RefCell::new(CASES.iter().map(|_| None).collect());
    }
    let mut input = Input(bytes);
    let which = input.byte() % CASES.len();
    let dials = Dials { release: input.byte(), flags: input.bytes::<1>()[0] };
    GROUNDS.with_borrow_mut(|grounds| {
        let ground = grounds[which].get_or_insert_with(|| Ground::new(CASES[which]));
        let touched = ground.damage(&mut input);
        look(&ground.case, &dials);
        ground.mend(&touched);
    });
}

impl Ground {
    fn new(name: &str) -> Self {
        let case = case(name);
        let mut files = Vec::new();
        for path in files_below(case.root()) {
            let len = fs::metadata(&path).unwrap().len();
            // Of sparse files only the begin is written.
            let mut bytes = vec![0; usize::try_from(len.min(1 << 20)).unwrap()];
            fs::File::open(&path).unwrap().read_exact_at(&mut bytes, 0).unwrap();
            bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
            files.push((path, bytes, len));
        }
        let ground = Self { case, files };
        // Also before the first damage the blocks of a file are those that mending it leaves.
        ground.mend(&ground.files.iter().map(|(path, ..)| path.clone()).collect());
        ground
    }

    fn path(&self, input: &mut Input<'_>) -> &(PathBuf, Vec<u8>, u64) {
        let [high, low] = input.bytes();
        &self.files[usize::from(u16::from_be_bytes([high, low])) % self.files.len()]
    }

    fn damage(&self, input: &mut Input<'_>) -> BTreeSet<PathBuf> {
        let mut touched = BTreeSet::new();
        while !input.0.is_empty() && touched.len() < 16 {
            let kind = input.byte() % 12;
            let (path, _, len) = self.path(input);
            let at = input.position() % len.max(&1);
            touched.insert(path.clone());
            let open = || fs::OpenOptions::new().write(true).open(path).ok();
            let write = |bytes: &[u8]| open().map(|file| file.write_all_at(bytes, at));
            // What an earlier damage took away cannot be damaged once more.
            let _ = match kind {
                0 | 1 => write(&input.bytes::<1>()),
                2 => write(&input.bytes::<4>()),
                3 => write(&input.bytes::<8>()),
                4 => write(&input.bytes::<24>()),
                5 => write(&vec![0; input.byte() * 64]),
                6 => open().map(|file| file.set_len(at)),
                7 => open().map(|file| file.set_len(len + at)),
                8 => {
                    let (_, from, _) = self.path(input);
                    let start = usize::try_from(input.position()).unwrap() % from.len().max(1);
                    let end = (start + input.byte() * 32).min(from.len());
                    write(&from[start..end])
                }
                9 => Some(fs::remove_file(path)),
                10 => {
                    let to = path.with_file_name(NAMES[input.byte() % NAMES.len()]);
                    touched.insert(to.clone());
                    Some(fs::rename(path, to))
                }
                _ => {
                    let [name, file] = input.bytes();
                    let to = path.with_file_name(NAMES[usize::from(name) % NAMES.len()]);
                    touched.insert(to.clone());
                    Some(if file % 2 == 0 { fs::create_dir(to) } else { fs::copy(path, to).map(|_| ()) })
                }
            };
        }
        touched
    }

    fn mend(&self, touched: &BTreeSet<PathBuf>) {
        for path in touched {
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
            if let Some((_, bytes, len)) = self.files.iter().find(|(known, ..)| known == path) {
                fs::write(path, bytes).unwrap();
                fs::OpenOptions::new().write(true).open(path).unwrap().set_len(*len).unwrap();
            }
        }
    }
}

/// All files below a directory, in the order of their names.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}
