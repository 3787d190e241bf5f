//! The exporter's own state, as somebody else may have left it.

use std::cell::RefCell;

use rocketmq_store_exporter::observe::state_file::Saved;

use super::Answer;
use super::recovery_case::Case;
use super::seeds::case;
use super::watcher::Watcher;

/// A state file that is loaded, believed for two passes over a store, and written again.
pub fn run(bytes: &[u8], answer: &mut Answer) {
    thread_local! {
        static PLACE: RefCell<Option<(Case, tempfile::TempDir)>> = const { RefCell::new(None) };
    }
    PLACE.with_borrow_mut(|place| {
        let (case, dir) = place.get_or_insert_with(|| (case("5.3.3-plain-r0"), tempfile::tempdir().unwrap()));
        let path = |name: &str| dir.path().join(name);
        let _ = std::fs::remove_dir_all(path("state"));
        std::fs::create_dir(path("state")).unwrap();
        std::fs::write(path("state/state.json"), bytes).unwrap();
        match Saved::load(&path("state")) {
            Ok(saved) => answer.tell(&saved.is_some()),
            Err(error) => return answer.tell(&error.to_string()),
        }
        let mut watcher = Watcher::start(case.root(), &path("logs"), &path("state"));
        watcher.look();
        watcher.look();
        let rows = watcher.observer.lock().unwrap().picture.clone().unwrap().queues.rows.clone();
        answer.tell(&rows);
        watcher.stop();
        Saved::load(&path("state")).unwrap();
    });
}
