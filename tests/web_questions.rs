//! Questions about the next start over HTTP: the answers of the command, each given once, one at a time.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

#[path = "support/site.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod site;

use std::fs;
use std::time::Duration;

use axum::http::{StatusCode, header};
use site::Site;

#[tokio::test]
async fn the_next_start_is_told_as_the_command_tells_it() {
    let site = Site::seen(|_| {});
    let (status, found) = site.json("/api/v1/preview?version=5.2.0&queues=all").await;
    assert_eq!(status, StatusCode::OK, "{found}");
    assert_eq!(found["schema_version"], 1);
    assert_eq!(found["assumed"]["version"], "5.2.0");
    let total = usize::try_from(found["totals"]["queues"].as_u64().unwrap()).unwrap();
    assert_eq!(found["queues"].as_array().unwrap().len(), total);
    let (_, changed) = site.json("/api/v1/preview?version=5.2.0").await;
    assert!(changed["queues"].as_array().unwrap().len() < found["queues"].as_array().unwrap().len());
    let (_, clean) = site.json("/api/v1/preview?version=5.2.0&shutdown=clean&without=index").await;
    assert_eq!(
        (&clean["assumed"]["shutdown"], &clean["assumed"]["without"]),
        (&"clean".into(), &serde_json::json!(["index"]))
    );
    let (_, set) = site.json("/api/v1/preview?version=5.2.0&set=mappedFileSizeCommitLog%3D4096").await;
    assert_eq!(
        (&set["verdict"], &set["start"]["reason"]),
        (&"refuse_start".into(), &"FILE_WRONG_LENGTH".into())
    );
    let (status, table) = site.json("/api/v1/compare?versions=5.2.0,5.5.0&remedies=true").await;
    assert_eq!(status, StatusCode::OK, "{table}");
    assert_eq!(table["rows"].as_array().unwrap().len(), 2);
    assert_eq!(table["columns"][0], "as_it_stands");
}

#[tokio::test]
async fn a_bad_question_is_refused_with_its_parameter() {
    let site = Site::seen(|_| {});
    for (query, name) in [
        ("version=latest", "version"),
        ("shutdown=dirty", "shutdown"),
        ("set=x", "set"),
        ("set=noSuchKey%3D1", "set"),
        ("without=log", "without"),
        ("queues=some", "queues"),
        ("topic=x", "topic"),
        ("version=5.2.0&version=5.3.0", "version"),
    ] {
        let (status, told) = site.json(&format!("/api/v1/preview?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {told}");
        assert!(told["message"].as_str().unwrap().contains(name), "{query}: {told}");
    }
    for (query, name) in [("versions=5", "versions"), ("remedies=some", "remedies")] {
        let (status, told) = site.json(&format!("/api/v1/compare?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}: {told}");
        assert!(told["message"].as_str().unwrap().contains(name), "{query}: {told}");
    }
}

#[tokio::test]
async fn an_answer_holds_until_a_file_changes() {
    let site = Site::seen(|_| {});
    let question = "/api/v1/preview?version=5.2.0&queues=all";
    let path = site.dir.path().join("store/consumequeue/T0/0/00000000000000000000");
    let metadata = fs::metadata(&path).unwrap();
    let (_, first) = site.json(question).await;
    fs::write(&path, vec![0; usize::try_from(metadata.len()).unwrap()]).unwrap();
    fs::File::options().write(true).open(&path).unwrap().set_modified(metadata.modified().unwrap()).unwrap();
    let (_, unseen) = site.json(question).await;
    assert_eq!(unseen, first, "nothing that a stamp shows has changed, so nothing was read");
    fs::write(&path, vec![0; usize::try_from(metadata.len()).unwrap()]).unwrap();
    let (_, seen) = site.json(question).await;
    assert_ne!(seen, first);
}

#[tokio::test]
async fn questions_wait_for_their_turn() {
    let site = Site::seen(|_| {});
    let ask = |version: &'static str| site.get_with(version, &[]);
    let turn = site.turns.next().await;
    let waiting = async {
        tokio::join!(
            ask("/api/v1/preview?version=5.2.0"),
            ask("/api/v1/preview?version=5.3.0"),
            ask("/api/v1/preview?version=5.2.0"),
        )
    };
    let mut waiting = std::pin::pin!(waiting);
    assert!(futures_now(waiting.as_mut()).await.is_none(), "somebody else makes a forecast");
    turn.end();
    let (first, second, same) = waiting.await;
    assert_eq!([first.status(), second.status(), same.status()], [StatusCode::OK; 3]);
}

#[tokio::test]
async fn a_question_whose_turn_does_not_come_is_told_to_come_back() {
    let site = Site::patient_for(Duration::from_millis(20), |_| {});
    let ask = |version: &'static str| site.get_with(version, &[]);
    let turn = site.turns.next().await;
    let late = ask("/api/v1/preview?version=5.4.0").await;
    assert_eq!(late.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(late.headers()[header::RETRY_AFTER], "1");
    turn.end();
    assert_eq!(ask("/api/v1/preview?version=5.4.0").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_question_whose_client_has_gone_still_takes_its_turn() {
    // As many queues as make a forecast take its time, also where this thread has to wait for a core.
    let site = Site::seen(|store| {
        for queue in 0..3_000 {
            fs::create_dir_all(store.join(format!("consumequeue/Many/{queue}"))).unwrap();
        }
    });
    let turn = site.turns.next().await;
    let mut gone = Box::pin(site.get_with("/api/v1/preview?version=5.2.0", &[]));
    assert!(futures_now(gone.as_mut()).await.is_none());
    turn.end();
    // Its turn has come, and its forecast begins.
    assert!(futures_now(gone.as_mut()).await.is_none());
    drop(gone);
    let other = site.get_with("/api/v1/preview?version=5.3.0", &[]).await;
    assert_eq!(other.status(), StatusCode::OK);
}

#[tokio::test]
async fn questions_that_nobody_waits_for_any_more_took_memory_and_the_places_of_others() {
    let site = Site::seen(|_| {});
    let turn = site.turns.next().await;
    let uri = |number: usize| format!("/api/v1/preview?version=5.2.0&set=brokerName=b{number}");
    let uris: Vec<String> = (0..200).map(uri).collect();
    for uri in &uris {
        let mut gone = Box::pin(site.get_with(uri, &[]));
        assert!(futures_now(gone.as_mut()).await.is_none(), "those before have left: {uri}");
    }
    let mut waiting = Vec::new();
    let refused = loop {
        let mut asked = Box::pin(site.get_with(&uris[waiting.len()], &[]));
        match futures_now(asked.as_mut()).await {
            None => waiting.push(asked),
            Some(response) => break response,
        }
    };
    assert_eq!((refused.status(), waiting.len()), (StatusCode::TOO_MANY_REQUESTS, 32));
    assert_eq!(site.get("/metrics").await.0, StatusCode::OK);
    turn.end();
    assert_eq!(waiting.pop().unwrap().await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_question_cannot_make_the_exporter_look_elsewhere() {
    let site = Site::seen(|_| {});
    for set in [
        "storePathCommitLog=/root",
        "storePathRootDir=/",
        "readOnlyCommitLogStorePaths=/etc",
        "dLegerSelfId=n0/../../etc",
    ] {
        let (status, told) = site.json(&format!("/api/v1/preview?version=5.2.0&set={set}")).await;
        assert_eq!(
            (status, &told["error"]),
            (StatusCode::BAD_REQUEST, &"bad_parameter".into()),
            "{set}: {told}"
        );
    }
    assert_eq!(site.get("/api/v1/preview?version=5.2.0&set=dLegerSelfId=n1").await.0, StatusCode::OK);
}

/// What a future gives if it is looked at once.
async fn futures_now<T>(mut future: std::pin::Pin<&mut impl Future<Output = T>>) -> Option<T> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match future.as_mut().poll(context) {
            std::task::Poll::Ready(found) => Some(found),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn without_a_store_there_is_no_answer() {
    let site = Site::seen(|store| fs::remove_dir_all(store).unwrap());
    let (status, told) = site.json("/api/v1/preview?version=5.2.0").await;
    assert_eq!((status, &told["error"]), (StatusCode::SERVICE_UNAVAILABLE, &"not_yet".into()));
}
