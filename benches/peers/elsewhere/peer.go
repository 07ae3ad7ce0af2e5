// The workloads by goroutines: WORKLOAD WORKERS N THREADS. See workloads/mod.rs for what each is.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

func number(at int) int {
	n, err := strconv.Atoi(os.Args[at])
	if err != nil {
		panic(err)
	}
	return n
}

func together(count int, one func()) {
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			one()
			all.Done()
		}()
	}
	all.Wait()
}

func spawns(n int, yields bool) {
	for done := 0; done < n; done += 10000 {
		batch := n - done
		if batch > 10000 {
			batch = 10000
		}
		sums := make([]int, batch)
		var all sync.WaitGroup
		all.Add(batch)
		for i := 0; i < batch; i++ {
			captured := [4]int{i, i, i, i}
			go func() {
				if yields {
					runtime.Gosched()
				}
				sums[captured[0]] = captured[3]
				all.Done()
			}()
		}
		all.Wait()
	}
}

func channel(n int) {
	to, back := make(chan int, 1), make(chan int, 1)
	go func() {
		for i := 0; i < n; i++ {
			back <- <-to + 1
		}
	}()
	for i := 0; i < n; i++ {
		to <- i
		if <-back != i+1 {
			panic("not what was sent")
		}
	}
}

func manyToMany(n int) {
	queue := make(chan int, 1024)
	var all sync.WaitGroup
	all.Add(8)
	for i := 0; i < 4; i++ {
		go func() {
			for i := 0; i < n/4; i++ {
				queue <- i
			}
			all.Done()
		}()
		go func() {
			for i := 0; i < n/4; i++ {
				<-queue
			}
			all.Done()
		}()
	}
	all.Wait()
}

func mutex(n, threads int, held bool) {
	var lock sync.Mutex
	var longest int64
	count, each := 0, n/threads
	together(threads, func() {
		for round := 0; round < each; round++ {
			clock := held && round%37 == 36
			var since time.Time
			if clock {
				since = time.Now()
			}
			lock.Lock()
			if clock {
				waited := int64(time.Since(since))
				if waited > longest {
					longest = waited
				}
			}
			if held {
				runtime.Gosched()
			}
			count++
			lock.Unlock()
		}
	})
	if count != each*threads {
		panic("an addition was lost")
	}
	if held {
		fmt.Println("longest wait, ms", float64(longest)/1e6)
	}
}

func sleeps(n int) {
	for done := 0; done < n; done += 100000 {
		batch := n - done
		if batch > 100000 {
			batch = 100000
		}
		var late int64
		var all sync.WaitGroup
		all.Add(batch)
		seed, start := uint64(42), time.Now()
		for i := 0; i < batch; i++ {
			seed ^= seed >> 12
			seed ^= seed << 25
			seed ^= seed >> 27
			pause := time.Duration(seed*0x2545f4914f6cdd1d%1001) * time.Millisecond
			go func() {
				begin := time.Now()
				time.Sleep(pause)
				atomic.AddInt64(&late, int64(time.Since(begin)-pause))
				all.Done()
			}()
		}
		all.Wait()
		fmt.Println("delay, ms", time.Since(start).Seconds()*1e3-1000)
		fmt.Println("late, us", float64(late)/float64(batch)/1e3)
	}
}

func memory(n int) {
	input := bufio.NewReader(os.Stdin)
	stop := func(at string) {
		fmt.Println(at)
		if _, err := input.ReadString('\n'); err != nil {
			os.Exit(0)
		}
	}
	stop("ready")
	var up int64
	never := make(chan int)
	for i := 0; i < n; i++ {
		go func() {
			atomic.AddInt64(&up, 1)
			<-never
		}()
	}
	for atomic.LoadInt64(&up) < int64(n) {
		time.Sleep(time.Millisecond)
	}
	stop("up")
}

func compute(message []byte) {
	state := uint64(7)
	for i := 0; i < 300000; i++ {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
	}
	message[0] = byte(state)
}

func serve(work func([]byte)) {
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	for {
		stream, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			buffer := make([]byte, 4096)
			for {
				n, err := stream.Read(buffer)
				if err != nil {
					stream.Close()
					return
				}
				work(buffer[:n])
				stream.Write(buffer[:n])
			}
		}()
	}
}

func main() {
	runtime.GOMAXPROCS(number(2))
	n, threads := number(3), number(4)
	switch os.Args[1] {
	case "yield":
		var up int64
		gate := make(chan int)
		go func() {
			for atomic.LoadInt64(&up) < int64(threads) {
				time.Sleep(time.Millisecond)
			}
			close(gate)
		}()
		together(threads, func() {
			atomic.AddInt64(&up, 1)
			<-gate
			for i := 0; i < n/threads; i++ {
				runtime.Gosched()
			}
		})
	case "spawn":
		spawns(n, false)
	case "spawn_yield":
		spawns(n, true)
	case "channel":
		channel(n)
	case "mpmc":
		manyToMany(n)
	case "mutex":
		mutex(n, threads, false)
	case "mutex_held":
		mutex(n, threads, true)
	case "sleeps":
		sleeps(n)
	case "memory":
		memory(n)
	case "echo":
		serve(func([]byte) {})
	case "compute":
		serve(compute)
	default:
		os.Exit(2)
	}
}
