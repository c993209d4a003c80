package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

// benchSelfCommand compares the server with the least that keeps its promise.
type benchSelfCommand struct {
	Rounds   int           `default:"3" help:"How often each has its turn; the medians count."`
	Duration time.Duration `default:"3s" help:"How long a turn takes."`
	Sizes    []int         `default:"4096,50000" help:"Octets of a message." sep:","`
	Dir      string        `help:"Where the mail lies while it runs; it is removed at the end. The default is the folder for temporary files." placeholder:"DIR"`
}

// Examples end the help text.
func (benchSelfCommand) Examples() string { return "allgreen bench self --rounds 5 --dir /var/tmp" }

// Run takes mail in with both in turn, in a lab of its own, and prints the ratios.
func (c *benchSelfCommand) Run(ctx context.Context, io streams) (err error) {
	program, err := os.Executable()
	if err != nil {
		return noInput(err, "")
	}
	dir, err := os.MkdirTemp(c.Dir, "allgreen-bench-")
	if err != nil {
		return noInput(err, "--dir names a folder that can be written")
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fair, err := newContest(ctx, dir, program, "")
	if err != nil {
		return unreachable(err, "the lab needs loopback addresses and free ports")
	}
	defer func() { err = errors.Join(err, fair.close()) }()
	floor, err := fair.floor(ctx)
	if err != nil {
		return err
	}
	ours, err := fair.serve(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(io.err, "%d rounds of %s each; close other programs for steady figures\n", c.Rounds, c.Duration)
	for _, size := range c.Sizes {
		results, err := c.compare(ctx, fair, size, floor, ours)
		if err != nil {
			return err
		}
		if err := printHeats(io.out, size, results); err != nil {
			return err
		}
	}
	return nil
}

// compare has each contestant take its turn in every round.
func (c *benchSelfCommand) compare(ctx context.Context, fair *contest, size int, contestants ...*contestant) ([]result, error) {
	results := make([]result, len(contestants))
	text, err := signedMessage(fair.home.settings.Admin, size, time.Now())
	if err != nil {
		return nil, err
	}
	for range max(c.Rounds, 1) {
		for i, each := range contestants {
			h, err := each.run(ctx, text, c.Duration)
			if err != nil {
				return nil, err
			}
			results[i].name = each.name
			results[i].heats = append(results[i].heats, h)
		}
	}
	return results, nil
}

// result is what a contestant did in all rounds.
type result struct {
	name  string
	heats []heat
}

// unsteady is the spread of a ratio from which on it means little.
const unsteady = 1.3

// printHeats prints the medians, and how far the ratio to the first, the floor, went
// up and down: on a machine with other work it is what says most.
func printHeats(w io.Writer, size int, results []result) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "messages of %d octets\ta second\tof the floor\tlowest\thighest\t99 of 100 within\tCPU each\tmemory\t\n", size)
	noisy := false
	for _, r := range results {
		m := median(r.heats)
		low, middle, high := ratios(r.heats, results[0].heats)
		noisy = noisy || high > unsteady*low
		fmt.Fprintf(t, "%s\t%.0f\t%.0f %%\t%.0f %%\t%.0f %%\t%.0f ms\t%d us\t%d MB\t\n",
			r.name, m.rate, 100*middle, 100*low, 100*high, float64(m.p99.Microseconds())/1000, m.cpu.Microseconds(), m.peak>>20)
	}
	err := t.Flush()
	if noisy {
		_, err = fmt.Fprintln(w, "The machine did other work meanwhile: the rounds differ too much to believe the figures.")
	}
	return err
}

// ratios compares the rates of each round: the lowest, the median and the highest.
func ratios(heats, floor []heat) (low, mid, high float64) {
	compared := make([]heat, len(heats))
	for i := range heats {
		compared[i].rate = heats[i].rate / floor[i].rate
	}
	low, high = compared[0].rate, compared[0].rate
	for _, h := range compared {
		low, high = min(low, h.rate), max(high, h.rate)
	}
	return low, middle(compared, func(h heat) float64 { return h.rate }), high
}
