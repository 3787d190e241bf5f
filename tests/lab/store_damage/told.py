"""Other properties and another table of topics than those that the store was written with."""

import json

BOOLEAN = ("true", "false")
# A release passes over what it does not know, and so must a forecast. Behind "broker." what BrokerConfig keeps.
KEYS = {
    "recheckReputOffsetFromCq": BOOLEAN, "duplicationEnable": BOOLEAN, "checkCRCOnRecover": BOOLEAN, "messageIndexEnable": BOOLEAN,
    "messageIndexSafe": BOOLEAN, "forceVerifyPropCRC": BOOLEAN, "enabledAppendPropCRC": BOOLEAN, "checkCommitLogOffsetOnRecover": BOOLEAN,
    "enableConsumeQueueExt": BOOLEAN, "enableLmq": BOOLEAN, "enableMultiDispatch": BOOLEAN, "broker.recoverConcurrently": BOOLEAN,
    "broker.recoverThreadPoolNums": ("1", "4"), "maxRecoveryCommitlogFiles": ("1", "2"), "commitLogRecoverMaxNum": ("-1", "0", "1", "2", "5"),
    "flushDiskType": ("SYNC_FLUSH", "ASYNC_FLUSH"), "indexFileWriteEnable": BOOLEAN, "writeWithoutMmap": BOOLEAN,
    "putConsumeQueueDataByFileChannel": BOOLEAN, "enableLogConsumeQueueRepeatedlyBuildWhenRecover": BOOLEAN, "messageDelayLevel": ("1s 5s", "1h"),
    "transientStorePoolEnable": BOOLEAN, "brokerRole": ("SLAVE", "SYNC_MASTER"), "storeType": ("default",),
    "maxTopicLength": ("1", "255"), "broker.autoMessageVersionOnTopicLen": BOOLEAN, "readUnCommitted": BOOLEAN, "allAckInSyncStateSet": BOOLEAN,
    "warmMapedFileEnable": BOOLEAN, "enableBuildConsumeQueueConcurrently": BOOLEAN, "enableCompaction": BOOLEAN,
    "enableCalcFilterBitMap": BOOLEAN, "bitMapLengthConsumeQueueExt": ("8", "112"),
}
# Lengths of files that are not those of the files there.
LENGTHS = {
    "mappedFileSizeCommitLog": ("4096", "16384", "65536"), "mappedFileSizeConsumeQueue": ("200", "210", "400"),
    "mapperFileSizeBatchConsumeQueue": ("460", "920"), "mappedFileSizeConsumeQueueExt": ("300", "600"), "maxIndexNum": ("400", "500"),
    "maxHashSlotNum": ("11", "101"),
}
# Of queues; the last five are none.
KINDS = ("SimpleCQ", "BatchCQ", "RocksDBCQ", "batchcq", "", "Foo", 7, None)


def set_key(store, random, keys):
    key = random.choice(list(KEYS))
    keys[key] = random.choice(KEYS[key])
    return f"{key}={keys[key]}"


def set_length_key(store, random, keys):
    key = random.choice(list(LENGTHS))
    keys[key] = random.choice(LENGTHS[key])
    return f"{key}={keys[key]}"


def change_topics(store, random, keys):
    """Topics whose queues are of another kind, or of which the table knows nothing."""
    path = store.root / "config" / "topics.json"
    if not path.exists():
        return None
    if random.random() < 0.3:
        path.unlink()
        return "removed"
    told = json.loads(path.read_text())
    table = told["topicConfigTable"]
    name = random.choice(sorted(table))
    how = random.choice(["forget", "turn", "tell", "tell"])
    if how == "forget":
        del table[name]
    elif how == "turn":
        is_batch = table[name]["attributes"].get("queue.type") == "BatchCQ"
        table[name]["attributes"] = {} if is_batch else {"queue.type": "BatchCQ"}
    else:
        kind = random.choice(KINDS)
        table[name]["attributes"] = {"queue.type": kind}
        how = f"tell {kind}"
    path.write_text(json.dumps(told))
    return f"{how} {name}"


OPERATORS = [set_key, set_key, set_key, set_key, change_topics]
RARE = [set_length_key]
