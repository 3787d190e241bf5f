//! What is read out of a `broker.conf`, and what is said about a bad one.

use std::path::{Path, PathBuf};

use rocketmq_store_exporter::broker::{BrokerConf, BrokerRole, ConfError, FlushDiskType, StoreType};

fn parse(text: &str) -> BrokerConf {
    BrokerConf::parse(text.as_bytes()).expect("nothing wrong with it")
}

fn problems(text: &str) -> Vec<(usize, String, String)> {
    match BrokerConf::parse(text.as_bytes()) {
        Err(ConfError::Values(found)) => {
            found.0.into_iter().map(|problem| (problem.line, problem.key, problem.taken)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_file_is_upstreams_defaults() {
    let conf = parse("");
    assert_eq!(conf, BrokerConf::default());
    assert_eq!(conf.root(), Path::new("${user.home}/store"));
    assert_eq!(conf.commit_log_paths(), [Path::new("${user.home}/store/commitlog")]);
    assert_eq!(conf.mapped_file_size_commit_log, 1_073_741_824);
    assert_eq!(conf.mapped_file_size_consume_queue, 6_000_000);
    assert_eq!((conf.broker_name.as_deref(), conf.broker_cluster_name.as_str()), (None, "DefaultCluster"));
    assert_eq!(conf.ledger_data_paths(), Vec::<PathBuf>::new());
}

#[test]
fn the_configuration_of_a_dledger_node_says_where_its_data_lie() {
    let conf = parse(
        "brokerClusterName = RaftCluster\nbrokerName=RaftNode00\nlistenPort=30911\nnamesrvAddr=127.0.0.1:9876\n\
         storePathRootDir=/data/node00 \nenableDLegerCommitLog=true\ndLegerSelfId=n0\n",
    );
    assert_eq!(conf.ledger_data_paths(), [Path::new("/data/node00/dledger-n0/data")]);
    assert_eq!(conf.broker_name.as_deref(), Some("RaftNode00"));
    assert_eq!(conf.other.iter().map(|entry| entry.key.as_str()).collect::<Vec<_>>(), ["namesrvAddr"]);
    let moved = parse("dLegerSelfId=n0\nstorePathDLedgerCommitLog=/a,/b");
    assert_eq!(moved.ledger_data_paths(), [Path::new("/a"), Path::new("/b")]);
}

#[test]
fn commitlog_paths_are_split_as_java_splits() {
    let conf = parse("storePathCommitLog=/a, /b,,/c,,\nreadOnlyCommitLogStorePaths=/r");
    assert_eq!(conf.commit_log_paths(), ["/a", " /b", "", "/c"].map(PathBuf::from));
    assert_eq!(conf.read_only_commit_log_store_paths, [Path::new("/r")]);
}

#[test]
fn consume_queue_files_hold_whole_units() {
    assert_eq!(parse("mappedFileSizeConsumeQueue=1").mapped_file_size_consume_queue, 20);
    assert_eq!(parse("mappedFileSizeConsumeQueue=200").mapped_file_size_consume_queue, 200);
    assert_eq!(parse("mappedFileSizeConsumeQueue=2147483647").mapped_file_size_consume_queue, 2_147_483_660);
    assert_eq!(parse("mapperFileSizeBatchConsumeQueue=47").mapper_file_size_batch_consume_queue, 47);
}

#[test]
fn all_problems_are_told_at_once() {
    let found = problems(
        "mappedFileSizeCommitLog=1G\nbrokerId=0\nfileReservedTime = 48 \nbrokerRole=slave\n\
         checkCRCOnRecover=yes\nmaxIndexNum=0\nduplicationEnable=TRUE\nlistenPort=70000000000\n",
    );
    let told = |line, key: &str, taken: &str| (line, key.to_owned(), taken.to_owned());
    assert_eq!(
        found,
        [
            told(4, "brokerRole", "ASYNC_MASTER"),
            told(8, "listenPort", "10911"),
            told(1, "mappedFileSizeCommitLog", "1073741824"),
            told(6, "maxIndexNum", "20000000"),
            told(5, "checkCRCOnRecover", "false"),
            told(3, "fileReservedTime", "72"),
        ]
    );
}

#[test]
fn a_problem_names_key_value_and_expectation() {
    let error = BrokerConf::parse(b"\nfileReservedTime=48 ").unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 2: fileReservedTime is \"48 \", expected a whole number without white space around it; taken as 72"
    );
    assert!(matches!(BrokerConf::parse(b"a=\\u1"), Err(ConfError::Form(_))));
}

#[test]
fn values_that_only_clash_with_others_are_problems_too() {
    assert_eq!(problems("enableDLegerCommitLog=true").len(), 1);
    assert_eq!(problems("enableDLegerCommitLog=true\ndLegerSelfId=n0\nenableControllerMode=true").len(), 1);
    assert_eq!(problems("brokerRole=SLAVE").len(), 1);
    assert_eq!(parse("brokerRole=SLAVE\nbrokerId=1").broker_role, BrokerRole::Slave);
}

#[test]
fn disk_ratios_stay_within_upstreams_bounds() {
    let bounds = |percent: i32| {
        let conf = parse(&format!(
            "diskMaxUsedSpaceRatio={percent}\ndiskSpaceCleanForciblyRatio={percent}\n\
             diskSpaceWarningLevelRatio={percent}"
        ));
        [conf.effective_disk_max_used(), conf.effective_disk_clean_forcibly(), conf.effective_disk_warning()]
    };
    assert_eq!(bounds(0), [0.10, 0.30, 0.35]);
    assert_eq!(bounds(50), [0.50; 3]);
    assert_eq!(bounds(100), [0.95, 0.85, 0.90]);
}

#[test]
fn names_are_trimmed_and_only_the_store_type_may_vary_in_case() {
    assert_eq!(parse("storeType = DEFAULTRocksdb \t").store_type, StoreType::DefaultRocksDb);
    assert_eq!(parse("flushDiskType=SYNC_FLUSH ").flush_disk_type, FlushDiskType::SyncFlush);
    assert_eq!(problems("flushDiskType=sync_flush").len(), 1);
}
