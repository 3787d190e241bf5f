//! What DLedger's library prints while it recovers; it goes to the broker's default log.
//!
//! Upstream: `MmapFileList`, `DefaultMmapFile`, `DLedgerMmapFileStore`; libraries 0.2.6 to 0.3.2.

use std::path::Path;

use super::file_list::ListedFile;
use super::file_loading::LoadFailure;
use super::forecast::LogLine;

/// Of a list that cannot be loaded. A foreign name is an exception, of which the library prints nothing.
pub fn of_failure(failure: &LoadFailure) -> Vec<LogLine> {
    let mut lines = match failure {
        LoadFailure::Length(path, len) => {
            let advice = ". You should delete old files before changing mapped file size";
            vec![LogLine::of_wrong_length(path, *len, advice)]
        }
        LoadFailure::Directory(path) => {
            LogLine::of_unopened(path, &format!("create file channel {} Failed. ", path.display())).into()
        }
        LoadFailure::Name(_) => return Vec::new(),
    };
    lines.push(error(
        "Load file failed, this usually indicates fatal error, you should check it manually".to_owned(),
    ));
    lines
}

/// Of neighbours that do not follow one another.
pub fn of_gap(before: &ListedFile, behind: &ListedFile) -> LogLine {
    error(format!(
        "[BUG]The mappedFile queue's data is damaged, the adjacent mappedFile's offset don't match pre file {}, cur file {}",
        before.path().display(),
        behind.path().display()
    ))
}

/// Of a file whose first entry is not sane, or not in the index.
pub fn of_odd_begin(file: &Path) -> LogLine {
    LogLine::warn(format!("Pre check data and index failed {}", file.display()))
}

/// Of an entry that the index does not have.
pub fn of_entry_without_index(file: &Path) -> LogLine {
    LogLine::warn(format!("Compare data to index failed {}", file.display()))
}

/// Of an index that ends elsewhere than it was cut.
pub fn of_new_index(end: i64, wanted: i64) -> LogLine {
    LogLine::warn(format!("[Recovery] rebuild for index wrotePos={end} not equal to truncatePos={wanted}"))
}

/// Of an end behind what the index has.
pub fn of_end_beyond(end: i64, wrote: i64) -> LogLine {
    LogLine::warn(format!("[UpdateWherePosition] wherePosition {end} > maxWrotePosition {wrote}"))
}

/// Of data that ends more than a file before the last one.
pub fn of_early_end(end: i64) -> LogLine {
    error(format!(
        "[MONITOR]The processOffset is too small, you should check it manually before truncating the data from {end}"
    ))
}

/// Of a checkpoint that cannot be read.
pub fn of_unreadable_checkpoint() -> LogLine {
    error("Load checkpoint failed".to_owned())
}

/// Of a committed index before the first entry.
pub fn of_old_commit(committed: i64, begin: i64) -> LogLine {
    LogLine::warn(format!(
        "[MONITOR]Skip update committed index for new={committed} < old=-1 or new={committed} < beginIndex={begin}"
    ))
}

/// Of bytes wanted beyond what a file has.
pub fn of_bytes_beyond(at: i64, size: i64, file: &ListedFile) -> LogLine {
    let (base, wrote) = (file.base, file.wrote);
    LogLine::warn(format!(
        "selectMappedBuffer request pos invalid, request pos={at} size={size} fileFromOffset={base} readPos={wrote}"
    ))
}

fn error(text: String) -> LogLine {
    LogLine::new("ERROR", text)
}
