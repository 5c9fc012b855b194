// The usual operations of etcd's own v2 client for Go, at the server of its argument. Prints "done" if all is as on a v2 server.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.etcd.io/etcd/client/v2"
)

func main() {
	url := os.Args[1]
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Second)
	defer cancel()
	c, err := client.New(client.Config{Endpoints: []string{url}, HeaderTimeoutPerRequest: 30 * time.Second})
	check(err)

	check(c.Sync(ctx))
	equal("the endpoints after Sync", fmt.Sprint(c.Endpoints()), fmt.Sprint([]string{url}))
	syncing, stopSync := context.WithCancel(ctx)
	synced := make(chan error, 1)
	go func() { synced <- c.AutoSync(syncing, 50*time.Millisecond) }()
	version, err := c.GetVersion(ctx)
	check(err)
	equal("the version is there", version.Server != "" && version.Cluster != "", true)

	keys := client.NewKeysAPI(c)
	set, err := keys.Set(ctx, "/go/a", "1", nil)
	check(err)
	equal("set", set.Action+set.Node.Key+set.Node.Value, "set/go/a1")
	got, err := keys.Get(ctx, "/go/a", &client.GetOptions{Quorum: true})
	check(err)
	equal("get", got.Node.Value, "1")
	equal("the index moves", got.Index >= got.Node.ModifiedIndex, true)
	_, err = keys.Create(ctx, "/go/a", "2")
	code(err, client.ErrorCodeNodeExist)
	_, err = keys.Update(ctx, "/go/none", "2")
	code(err, client.ErrorCodeKeyNotFound)
	_, err = keys.Set(ctx, "/go/a", "2", &client.SetOptions{PrevValue: "0"})
	code(err, client.ErrorCodeTestFailed)
	swapped, err := keys.Set(ctx, "/go/a", "2", &client.SetOptions{PrevIndex: got.Node.ModifiedIndex})
	check(err)
	equal("swap", swapped.Action+swapped.PrevNode.Value, "compareAndSwap1")

	timed, err := keys.Set(ctx, "/go/t", "x", &client.SetOptions{TTL: 100 * time.Second})
	check(err)
	equal("a ttl", timed.Node.TTL, int64(100))
	_, err = keys.Set(ctx, "/go/t", "", &client.SetOptions{TTL: 200 * time.Second, Refresh: true, PrevExist: client.PrevExist})
	check(err)
	timed, err = keys.Get(ctx, "/go/t", nil)
	check(err)
	equal("a refresh keeps the value and moves the ttl", timed.Node.Value == "x" && timed.Node.TTL > 100, true)

	first, err := keys.CreateInOrder(ctx, "/go/q", "1", nil)
	check(err)
	second, err := keys.CreateInOrder(ctx, "/go/q", "2", nil)
	check(err)
	equal("names in order", first.Node.Key < second.Node.Key, true)
	_, err = keys.Set(ctx, "/go/d/e", "", &client.SetOptions{Dir: true})
	check(err)
	tree, err := keys.Get(ctx, "/go", &client.GetOptions{Recursive: true, Sort: true})
	check(err)
	names := ""
	for _, node := range tree.Node.Nodes {
		names += node.Key + " "
	}
	equal("a sorted tree", names, "/go/a /go/d /go/q /go/t ")
	_, err = keys.Delete(ctx, "/go/d", nil)
	code(err, client.ErrorCodeNotFile)
	_, err = keys.Delete(ctx, "/go/d", &client.DeleteOptions{Dir: true})
	code(err, client.ErrorCodeDirNotEmpty)

	watcher := keys.Watcher("/go/a", &client.WatcherOptions{AfterIndex: got.Node.ModifiedIndex})
	event, err := watcher.Next(ctx)
	check(err)
	equal("an event of the past", event.Node.Value, "2")
	go func() {
		_, err := keys.Set(ctx, "/go/a", "3", nil)
		check(err)
		_, err = keys.Delete(ctx, "/go/a", nil)
		check(err)
	}()
	event, err = watcher.Next(ctx)
	check(err)
	equal("the next event", event.Action+event.Node.Value, "set3")
	event, err = watcher.Next(ctx)
	check(err)
	equal("a deletion", event.Action+event.PrevNode.Value, "delete3")
	short, stop := context.WithTimeout(ctx, 50*time.Millisecond)
	_, err = keys.Watcher("/go", &client.WatcherOptions{Recursive: true}).Next(short)
	equal("a watch that is cancelled", err, context.DeadlineExceeded)
	stop()

	members, err := client.NewMembersAPI(c).List(ctx)
	check(err)
	equal("members advertise the server", len(members) > 0 && members[0].ClientURLs[0] == url, true)
	leader, err := client.NewMembersAPI(c).Leader(ctx)
	check(err)
	equal("the leader is a member", leader.ID, members[0].ID)

	stopSync()
	equal("AutoSync goes on until it is stopped", <-synced, context.Canceled)
	equal("the endpoints after AutoSync", fmt.Sprint(c.Endpoints()), fmt.Sprint([]string{url}))
	_, err = keys.Delete(ctx, "/go", &client.DeleteOptions{Recursive: true})
	check(err)
	_, err = keys.Get(ctx, "/go", nil)
	code(err, client.ErrorCodeKeyNotFound)
	fmt.Println("done")
}

func code(err error, want int) {
	e, ok := err.(client.Error)
	if !ok || e.Code != want {
		fail(fmt.Sprintf("error %d expected, got %v", want, err))
	}
}

func equal(what string, got, want interface{}) {
	if got != want {
		fail(fmt.Sprintf("%s: %v expected, got %v", what, want, got))
	}
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, text)
	os.Exit(1)
}
