package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/goring/cmd/goring/internal/doctor"
	"example.com/goring/goring"
)

// flags holds the flags of all commands.
type flags struct {
	dir    string
	asJSON bool
}

func root() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:           "goring",
		Short:         "Inspect shared-memory rings, and repair them after a death",
		Version:       goring.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	c.PersistentFlags().StringVar(&f.dir, "dir", "", "folder of the rings (default GORING_DIR or /dev/shm)")
	c.PersistentFlags().BoolVar(&f.asJSON, "json", false, "print JSON")
	c.AddCommand(list(&f), stat(&f), examine(&f), hold(&f))
	return c
}

func list(f *flags) *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "One line for each ring",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			reports, err := doctor.All(doctor.Options{Dir: f.dir})
			if err != nil {
				return err
			}
			if f.asJSON {
				return printJSON(c.OutOrStdout(), reports)
			}
			return printList(c.OutOrStdout(), reports)
		},
	}
}

func stat(f *flags) *cobra.Command {
	var watch bool
	c := &cobra.Command{
		Use:   "stat NAME",
		Short: "All about one ring",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, names []string) error {
			inspect := func() (doctor.Report, error) { return one(names[0], doctor.Options{Dir: f.dir}) }
			if watch {
				return watchRing(c.Context(), c.OutOrStdout(), inspect, f.asJSON)
			}
			r, err := inspect()
			if err != nil {
				return err
			}
			if f.asJSON {
				return printJSON(c.OutOrStdout(), r)
			}
			return printStat(c.OutOrStdout(), r, nil)
		},
	}
	c.Flags().BoolVarP(&watch, "watch", "w", false, "print it every second, with rates, until Ctrl-C")
	return c
}

func examine(f *flags) *cobra.Command {
	o := doctor.Options{}
	c := &cobra.Command{
		Use:   "doctor [NAME...]",
		Short: "Report participants, deaths, lags and stuck messages, and repair them",
		Long: `Report the participants of rings, alive or dead, how far they lag, and which messages are stuck.

It joins no ring, and removes no ring in use. The exit status is 0 when all is well, 1 when there
are problems, 2 when the command itself failed.`,
		RunE: func(c *cobra.Command, names []string) error {
			o.Dir = f.dir
			reports, err := several(names, o)
			if err != nil {
				return err
			}
			if f.asJSON {
				err = printJSON(c.OutOrStdout(), reports)
			} else {
				err = printFindings(c.OutOrStdout(), reports)
			}
			if err == nil && slices.ContainsFunc(reports, func(r doctor.Report) bool { return !r.Healthy() }) {
				return errProblems
			}
			return err
		},
	}
	c.Flags().BoolVar(&o.Reap, "reap", false, "reap dead participants: the messages that they held go to others")
	c.Flags().BoolVar(&o.Unlink, "unlink-stale", false, "remove rings without a participant, with the messages in them")
	c.Flags().DurationVar(&o.MinAge, "min-age", time.Minute, "with --unlink-stale: leave younger rings alone")
	return c
}

// several returns the reports on the rings with these names, on all rings without names.
func several(names []string, o doctor.Options) (reports []doctor.Report, err error) {
	if len(names) == 0 {
		return doctor.All(o)
	}
	for _, name := range names {
		r, err := one(name, o)
		if err != nil {
			return nil, err
		}
		reports = append(reports, r)
	}
	return reports, nil
}

// one returns the report on one ring. The error for an unknown name lists the known ones.
func one(name string, o doctor.Options) (doctor.Report, error) {
	var in []goring.Option
	if o.Dir != "" {
		in = append(in, goring.Dir(o.Dir))
	}
	entries, err := goring.List(in...)
	if errors.Is(err, fs.ErrPermission) {
		return doctor.Report{}, fmt.Errorf("%w; are you the user that made the rings?", err)
	}
	if err != nil {
		return doctor.Report{}, err
	}
	var names []string
	for _, e := range entries {
		if e.Name == name {
			return doctor.Examine(e, o), nil
		}
		names = append(names, e.Name)
	}
	there := "there are no rings"
	if len(names) > 0 {
		there = "there are " + strings.Join(names, ", ")
	}
	return doctor.Report{}, fmt.Errorf("no ring %q: %s", name, there)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
