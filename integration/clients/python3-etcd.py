# The usual operations of python-etcd, at the server on the port of its argument. Prints "done" if all is as on a v2 server.
import etcd, sys, threading, time

port = int(sys.argv[1])


def connect():
    return etcd.Client(host="127.0.0.1", port=port, allow_reconnect=True, read_timeout=60)


def refused(error, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except error:
        return
    raise SystemExit("%s expected of %r" % (error.__name__, args))


client = connect()
assert client.write("/py/a", "1").value == "1"
assert client.read("/py/a").value == "1"
assert client.get("/py/a").value == "1" and client.set("/py/a", "1").value == "1"
assert "/py/a" in client and "/py/none" not in client
refused(etcd.EtcdAlreadyExist, client.write, "/py/a", "2", prevExist=False)
refused(etcd.EtcdKeyNotFound, client.write, "/py/none", "2", prevExist=True)
assert client.test_and_set("/py/a", "2", "1").value == "2"
refused(etcd.EtcdCompareFailed, client.test_and_set, "/py/a", "3", "1")
refused(etcd.EtcdNotFile, client.write, "/py", "x")
node = client.read("/py/a")
node.value = "3"
assert client.update(node).value == "3"
refused(etcd.EtcdCompareFailed, client.update, node)

names = [client.write("/py/q", str(i), append=True).key for i in range(3)]
assert names == sorted(names) and all(name.startswith("/py/q/0000") for name in names)
client.write("/py/t", "kept", ttl=100)
client.refresh("/py/t", ttl=200)
timed = client.read("/py/t")
assert timed.value == "kept" and 100 < timed.ttl <= 200
client.write("/py/d/e", None, dir=True)
assert [leaf.value for leaf in client.read("/py/q", recursive=True, sorted=True).leaves] == ["0", "1", "2"]
refused(etcd.EtcdDirNotEmpty, client.delete, "/py/d", dir=True)
assert client.delete("/py/d", recursive=True).action == "delete"
assert client.pop("/py/t").value == "kept"

# a watch from now is repeated until a write comes while it stands
stop = threading.Event()


def write_on():
    other = connect()
    while not stop.is_set():
        other.write("/py/w", "seen")
        stop.wait(0.1)


writer = threading.Thread(target=write_on)
writer.start()
assert client.watch("/py/w").value == "seen"
stop.set()
writer.join()
index = client.read("/py/w").modifiedIndex
for i in range(3):
    client.write("/py/w", str(i))
seen = []
for event in client.eternal_watch("/py", index=index + 1, recursive=True):
    seen.append(event.value)
    if len(seen) == 3:
        break
assert seen == ["0", "1", "2"], seen
refused(etcd.EtcdWatchTimedOut, client.watch, "/py/silent", timeout=1)

url = "http://127.0.0.1:%d" % port
assert client.machines == [url], client.machines
members = client.members
assert [member["clientURLs"] for member in members.values()] == [[url]], members
assert client.leader["id"] in members
assert client.stats["name"] in [member["name"] for member in members.values()]

first, second = etcd.Lock(client, "job"), etcd.Lock(connect(), "job")
assert first.acquire(blocking=True, lock_ttl=60, timeout=30) and first.is_acquired
assert not second.acquire(blocking=False, lock_ttl=60) and not second.is_acquired
order = []


def wait_for_it():
    order.append(second.acquire(blocking=True, lock_ttl=60, timeout=60))


waiter = threading.Thread(target=wait_for_it)
waiter.start()
time.sleep(0.3)
assert order == [] and first.is_acquired
first.release()
waiter.join()
assert order == [True] and second.is_acquired and not first.is_acquired
second.release()
with etcd.Lock(client, "job") as third:
    assert third.is_acquired

client.delete("/py", recursive=True)
refused(etcd.EtcdKeyNotFound, client.read, "/py")
print("done")
