"""A DLedger group of three nodes, of which each has a store of its own, and can lose its index while the others keep theirs."""

import shutil
import time

from broker import NAME, SMALL, Broker, Client, NameServer, reachable
from processes import wait_until
from scenarios.foretold import preview, shut, start_and_compare
from stand import MESSAGES, QUEUES, TOPICS

RELEASE = "5.2.0"
WRITTEN_SINCE = 60


class Node(Broker):
    def has_place(self, broker_id):
        return broker_id >= 0

    def is_leader(self):
        return self.client.ask("id", NAME, self.address)["id"] == 0


class Group:
    def __init__(self, directory):
        directory.mkdir(parents=True)
        self.name_server = NameServer(directory)
        self.client = Client(directory, self.name_server)
        self.nodes = [Node(directory / f"n{number}", RELEASE, "dledger", self.name_server, self.client, SMALL) for number in range(3)]
        peers = ";".join(f"n{number}-127.0.0.1:{node.port + 2}" for number, node in enumerate(self.nodes))
        for number, node in enumerate(self.nodes):
            node.tell({"dLegerSelfId": f"n{number}", "dLegerPeers": peers})

    def leader(self, among):
        wait_until(lambda: any(_answers(node.is_leader) for node in among), 60, "a leader")
        return next(node for node in among if _answers(node.is_leader))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            shut(node)
        for part in (self.client.child, self.name_server.child):
            part.kill_group()


def repaired(verdicts, directory):
    """A killed follower loses its index, both ways back of the runbook are gone, and then it leads."""
    with Group(directory) as group:
        for node in group.nodes:
            node.start()
        for node in group.nodes:
            node.wait_ready()
        leader = group.leader(group.nodes)
        leader.create_topics(TOPICS, QUEUES)
        leader.produce(TOPICS, MESSAGES, queues=QUEUES)
        for node in group.nodes:
            wait_until(lambda node=node: reachable(_ends(node)) == MESSAGES, 60, "every node to have indexed all")
        before = _ends(leader)
        # DLedger writes one every 3 s, in the middle of what is produced too.
        wait_until(lambda: all(_committed(node) for node in group.nodes), 30, "checkpoints of all that was written", every=0.5)
        follower, other = (node for node in group.nodes if node is not leader)

        follower.kill()
        found = preview(follower, RELEASE)
        verdicts.equal("a killed follower: foretold", (found["verdict"], found["totals"]["units_lost"]), ("index_loss", MESSAGES))
        start_and_compare(verdicts, "a killed follower", follower, found)
        verdicts.equal("the leader has its index", _ends(leader), before)
        verdicts.equal("consumers go on at the leader", leader.consume("G1", TOPICS, 20, QUEUES), 20 * QUEUES * len(TOPICS))

        leader.produce(TOPICS, WRITTEN_SINCE, first=MESSAGES, queues=QUEUES)
        now = _ends(leader)
        verdicts.equal("the leader has what was written since", reachable(now), MESSAGES + WRITTEN_SINCE)
        _until_equal(verdicts, "the follower has what was written since, and nothing else", follower, {name: (before[name][1], pair[1]) for name, pair in now.items()})

        follower.stop()
        shutil.rmtree(follower.store / "consumequeue")
        follower.tell({"recheckReputOffsetFromCq": "true"})
        found = preview(follower, RELEASE)
        verdicts.equal("queues set aside: foretold", (found["verdict"], found["totals"]["units_lost"]), ("reindexed", 0))
        start_and_compare(verdicts, "queues set aside", follower, found)
        verdicts.equal("its index is the leader's again", _ends(follower), now)

        follower.kill()
        found = preview(follower, RELEASE)
        verdicts.equal("killed with the setting left in place: foretold", found["totals"]["units_lost"], 0)
        start_and_compare(verdicts, "killed with the setting left in place", follower, found)

        other.kill()
        shutil.rmtree(other.store)
        other.start().wait_ready()
        # The leader notices with the next message that this node has none.
        time.sleep(5)
        verdicts.equal("a node that begins with an empty store gets nothing by itself", _ends(other), {})
        leader.produce(TOPICS, WRITTEN_SINCE, first=MESSAGES + WRITTEN_SINCE, queues=QUEUES)
        now = _ends(leader)
        _until_equal(verdicts, "it gets all from the leader with the next message", other, now)

        leader.kill()
        leads = group.leader([follower, other])
        verdicts.equal("a repaired node leads, and has all", _ends(leads), now)
        found = preview(leader, RELEASE)
        verdicts.equal("the killed leader: foretold", found["verdict"], "index_loss")
        leader.tell({"recheckReputOffsetFromCq": "true"})
        found = preview(leader, RELEASE)
        verdicts.equal("the killed leader, with the setting: foretold", found["totals"]["units_lost"], 0)
        leader.start().wait_ready()
        _until_equal(verdicts, "the killed leader comes back with the setting, and has all", leader, now)


def _until_equal(verdicts, what, node, ends):
    try:
        wait_until(lambda: _ends(node) == ends, 60, what, every=0.5)
    except TimeoutError:
        pass
    verdicts.equal(what, _ends(node), ends)


def _ends(node):
    """Both ends of the queues, as consumers would meet them at this node; those with nothing between are left out."""
    return {name: pair for name, pair in node.offsets().items() if name.split("/")[0] in TOPICS and pair[0] != pair[1]}


def _committed(node):
    """Whether the checkpoint on disk has all entries; without one, or before the store can be read whole, it has not."""
    ledger = preview(node, RELEASE)["ledger"]
    return bool(ledger) and ledger["committed_index"] == ledger["end_index"]


def _answers(ask):
    try:
        return ask()
    except RuntimeError:
        return False
