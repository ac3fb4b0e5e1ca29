// Runs cases, each within a limit of time.
package main

import (
	"fmt"
	"time"

	"google.golang.org/grpc"
)

const limit = 20 * time.Second

type testCase struct {
	name string
	run  func(*grpc.ClientConn)
}

// Why a case failed, or why it says nothing about this server or this stack. Cases panic with it.
type failure struct {
	why           string
	notApplicable bool
}

func (failed failure) Error() string { return failed.why }

// Gives the failure that the function panics with.
func attempt(run func()) (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			failed, ok := panicked.(failure)
			if !ok {
				panic(panicked)
			}
			err = failed
		}
	}()
	run()
	return nil
}

// A case that hangs keeps its goroutine. The next one does not wait for it.
func runWithinLimit(one testCase, connection *grpc.ClientConn) error {
	ended := make(chan error, 1)
	go func() { ended <- attempt(func() { one.run(connection) }) }()
	select {
	case err := <-ended:
		return err
	case <-time.After(limit):
		return failure{why: fmt.Sprintf("it did not end within %v", limit)}
	}
}

func choose(names []string, extended bool) ([]testCase, error) {
	if len(names) == 0 {
		if extended {
			return extendedCases, nil
		}
		return officialCases, nil
	}
	var chosen []testCase
	for _, name := range names {
		before := len(chosen)
		for _, known := range append(officialCases[:len(officialCases):len(officialCases)], extendedCases...) {
			if known.name == name {
				chosen = append(chosen, known)
			}
		}
		if len(chosen) == before {
			return nil, fmt.Errorf("unknown case %q", name)
		}
	}
	return chosen, nil
}

// Runs the cases and prints a line for each: those of `names`, or, when there are none, the official or the extended
// ones. An error when one of them failed.
func runCases(connection *grpc.ClientConn, names []string, extended bool) error {
	cases, err := choose(names, extended)
	if err != nil {
		return err
	}
	failures := 0
	for _, one := range cases {
		err := runWithinLimit(one, connection)
		failed, _ := err.(failure)
		switch {
		case err == nil:
			fmt.Printf("%s: passed\n", one.name)
		case failed.notApplicable:
			fmt.Printf("%s: not applicable: %v\n", one.name, err)
		default:
			failures++
			fmt.Printf("%s: failed: %v\n", one.name, err)
		}
	}
	if failures > 0 {
		return fmt.Errorf("%d cases failed", failures)
	}
	return nil
}
