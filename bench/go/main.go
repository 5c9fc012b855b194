// The bench worker for the v2 client in Go: worker <url> [CA certificate key: files], or worker version. It speaks the protocol of protocol.ts on stdin and stdout.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"go.etcd.io/etcd/client/v2"
)

type task struct {
	Kind        string `json:"kind"`
	Key         string `json:"key"`
	Concurrency int    `json:"concurrency"`
	Ms          int    `json:"ms"`
	AfterIndex  uint64 `json:"afterIndex"`
	Watchers    int    `json:"watchers"`
	WarmUps     int    `json:"warmUps"`
	Recursive   bool   `json:"recursive"`
}

// the same values as in protocol.ts and worker.ts
const (
	openAtOnce = 100
	openPause  = 5 * time.Millisecond
	lookEach   = 100 * time.Millisecond
)

var keys client.KeysAPI

func newTransport() *http.Transport {
	transport := &http.Transport{
		DialContext: (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		// by default Go keeps only two idle connections, and would measure connecting
		MaxIdleConnsPerHost: 20000,
	}
	if len(os.Args) > 2 {
		pem, err := os.ReadFile(os.Args[2])
		check(err)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		certificate, err := tls.LoadX509KeyPair(os.Args[3], os.Args[4])
		check(err)
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certificate}}
	}
	return transport
}

func newKeys(transport *http.Transport) client.KeysAPI {
	c, err := client.New(client.Config{Endpoints: []string{os.Args[1]}, Transport: transport})
	check(err)
	return client.NewKeysAPI(c)
}

func main() {
	if os.Args[1] == "version" {
		fmt.Println(runtime.Version())
		return
	}
	keys = newKeys(newTransport())
	lines := bufio.NewScanner(os.Stdin)
	var end, mark func()
	for lines.Scan() {
		var t task
		check(json.Unmarshal(lines.Bytes(), &t))
		switch t.Kind {
		case "watch":
			end = watch(t)
		case "follow":
			mark, end = follow(t)
		case "mark":
			mark()
		case "stop", "close":
			end()
		case "idle":
			end = idle(t)
		default:
			load(t)
		}
	}
}

func load(t task) {
	value := strings.Repeat("v", 64)
	once := func() {
		var err error
		switch t.Kind {
		case "get":
			_, err = keys.Get(context.Background(), t.Key, nil)
		case "put":
			_, err = keys.Set(context.Background(), t.Key, value, nil)
		case "list":
			_, err = keys.Get(context.Background(), t.Key, &client.GetOptions{Recursive: true})
		case "connect":
			transport := newTransport()
			_, err = newKeys(transport).Get(context.Background(), t.Key, nil)
			transport.CloseIdleConnections()
		}
		check(err)
	}
	each(t.Concurrency, func(int) { once() })
	perLoop := make([][]float64, t.Concurrency)
	meter := start()
	end := time.Now().Add(time.Duration(t.Ms) * time.Millisecond)
	each(t.Concurrency, func(i int) {
		for before := time.Now(); before.Before(end); {
			once()
			after := time.Now()
			perLoop[i] = append(perLoop[i], micros(after.Sub(before)))
			before = after
		}
	})
	var latencies []float64
	for _, some := range perLoop {
		latencies = append(latencies, some...)
	}
	meter(latencies)
}

func watch(t task) func() {
	ctx, cancel := context.WithCancel(context.Background())
	events := make(chan float64, 1024)
	done := make(chan struct{})
	var latencies []float64
	for i := 0; i < t.Watchers; i++ {
		w := keys.Watcher(t.Key, &client.WatcherOptions{AfterIndex: t.AfterIndex, Recursive: t.Recursive})
		go func() {
			for {
				r, err := w.Next(ctx)
				if err != nil {
					return
				}
				written, err := strconv.ParseInt(r.Node.Value, 10, 64)
				check(err)
				select {
				case events <- float64(monotonic()-written) / 1000:
				case <-ctx.Done():
				}
			}
		}()
		if i%openAtOnce == openAtOnce-1 {
			time.Sleep(openPause)
		}
	}
	meter := start()
	go func() {
		defer close(done)
		for seen, pending := 0, t.Watchers; ; {
			select {
			case latency := <-events:
				latencies = append(latencies, latency)
				if pending--; pending > 0 {
					continue
				}
				pending = t.Watchers
				if seen++; seen == t.WarmUps {
					latencies, meter = nil, start()
				}
				say(map[string]interface{}{"seen": seen})
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
		meter(latencies)
	}
}

func follow(t task) (func(), func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	var lock sync.Mutex
	var latencies []float64
	cleared := 0
	meter := startFollowed()
	go func() {
		defer close(done)
		for seen := 0; ; {
			r, err := keys.Get(ctx, t.Key, nil)
			if err != nil {
				return
			}
			w := keys.Watcher(t.Key, &client.WatcherOptions{AfterIndex: r.Index, Recursive: true})
			for {
				r, err := w.Next(ctx)
				if e, ok := err.(client.Error); ok && e.Code == client.ErrorCodeEventIndexCleared {
					lock.Lock()
					cleared++
					lock.Unlock()
					break
				}
				if err != nil {
					return
				}
				written, err := strconv.ParseInt(r.Node.Value, 10, 64)
				check(err)
				lock.Lock()
				latencies = append(latencies, float64(monotonic()-written)/1000)
				lock.Unlock()
				if seen++; seen == t.WarmUps {
					say(map[string]interface{}{"seen": seen})
				}
			}
		}
	}()
	mark := func() {
		lock.Lock()
		defer lock.Unlock()
		latencies, cleared, meter = nil, 0, startFollowed()
	}
	end := func() {
		lock.Lock()
		meter(latencies, cleared)
		lock.Unlock()
		cancel()
		<-done
	}
	return mark, end
}

func idle(t task) func() {
	// loads what the first request loads, which is not the memory of the watchers
	_, err := keys.Set(context.Background(), t.Key+"/loaded", "", nil)
	check(err)
	others := settledWatchers()
	before, heapBefore := memory()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	for i := 0; i < t.Watchers; i++ {
		w := keys.Watcher(fmt.Sprintf("%s/%d", t.Key, i), nil)
		all.Add(1)
		go func() {
			defer all.Done()
			_, _ = w.Next(ctx)
		}()
		if i%openAtOnce == openAtOnce-1 {
			time.Sleep(openPause)
		}
	}
	for watchersAt() < others+t.Watchers {
		time.Sleep(lookEach)
	}
	after, heapAfter := memory()
	say(map[string]interface{}{"rss": after - before, "heap": heapAfter - heapBefore})
	return func() {
		began := time.Now()
		cancel()
		all.Wait()
		say(map[string]interface{}{"closeMs": micros(time.Since(began)) / 1000})
	}
}

// The number of watchers once it stops changing: the server needs a while to notice that the previous subject has gone.
func settledWatchers() int {
	for last := -1; ; {
		now := watchersAt()
		if now == last {
			return now
		}
		last = now
		time.Sleep(lookEach)
	}
}

func watchersAt() int {
	r, err := http.Get(os.Args[1] + "/v2/stats/store")
	check(err)
	defer r.Body.Close()
	var stats struct {
		Watchers int `json:"watchers"`
	}
	check(json.NewDecoder(r.Body).Decode(&stats))
	return stats.Watchers
}

func start() func([]float64) {
	meter := startFollowed()
	return func(latencies []float64) { meter(latencies, 0) }
}

func startFollowed() func([]float64, int) {
	cpu, began := cpuMicros(), time.Now()
	return func(latencies []float64, cleared int) {
		used, seconds := cpuMicros()-cpu, time.Since(began).Seconds()
		sort.Float64s(latencies)
		n := len(latencies)
		at := func(part float64) float64 {
			if n == 0 {
				return 0
			}
			return latencies[min(n-1, int(part*float64(n)))]
		}
		say(map[string]interface{}{
			"operations": n, "perSecond": float64(n) / seconds, "p50": at(0.5), "p99": at(0.99),
			"cpuPerOperation": used / math.Max(1, float64(n)), "rss": rss(), "cleared": cleared, "lists": 0,
		})
	}
}

func each(n int, do func(int)) {
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			do(i)
		}(i)
	}
	all.Wait()
}

func cpuMicros() float64 {
	var u syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return micros(time.Duration(u.Utime.Nano() + u.Stime.Nano()))
}

// CLOCK_MONOTONIC, the clock of process.hrtime in Node. Linux only, as is rss below.
func monotonic() int64 {
	var t syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		check(errno)
	}
	return t.Nano()
}

func memory() (int64, int64) {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return rss(), int64(m.HeapAlloc)
}

func rss() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	check(err)
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	check(err)
	return pages * int64(os.Getpagesize())
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

var saying sync.Mutex

func say(result map[string]interface{}) {
	line, err := json.Marshal(result)
	check(err)
	saying.Lock()
	defer saying.Unlock()
	fmt.Println(string(line))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
