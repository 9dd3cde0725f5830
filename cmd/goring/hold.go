package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"example.com/goring/goring"
	"example.com/goring/goring/cuda"
	"example.com/goring/layout"
)

// holding holds the flags of gpu-hold.
type holding struct {
	device, slots, maxBytes, producers, consumers int
	dtype, shape, kind, mode, sync                string
}

func hold(f *flags) *cobra.Command {
	var h holding
	c := &cobra.Command{
		Use:   "gpu-hold NAME",
		Short: "Make a GPU ring and own its memory until Ctrl-C",
		Long: `Make a GPU ring and own its memory until Ctrl-C.

Device memory goes with the process that allocated it. A program that does nothing but own it
lets the ring's producers and consumers come, crash and go. At the end the ring's name is
removed, and the memory stays until the others have drained the ring and let go, two seconds at
most.`,
		Example: `  goring gpu-hold frames --dtype u1 --shape 1080,1920,3 --slots 16
  goring gpu-hold blobs --max-bytes 1048576 --device 1`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, names []string) error {
			schema, opts, err := h.ring()
			if err != nil {
				return err
			}
			opts = append(opts, goring.Dir(f.dir))
			return holdRing(c.Context(), c.OutOrStdout(), names[0], schema, opts)
		},
	}
	flags := c.Flags()
	flags.IntVar(&h.device, "device", 0, "ordinal of the CUDA device")
	flags.IntVar(&h.slots, "slots", 64, "messages that the ring holds")
	flags.StringVar(&h.dtype, "dtype", "", "of an array ring: u1, f4, ... (with --shape)")
	flags.StringVar(&h.shape, "shape", "", "of every message: 480,640,3")
	flags.IntVar(&h.maxBytes, "max-bytes", 0, "instead of --dtype: largest message, bytes")
	flags.StringVar(&h.kind, "kind", "bytes", "with --max-bytes: bytes or tensor")
	flags.StringVar(&h.mode, "mode", "queue", "queue, broadcast or overwrite")
	flags.IntVar(&h.producers, "producers", 1, "producers at once")
	flags.IntVar(&h.consumers, "consumers", 0, "consumers at once (default 1, in broadcast 32)")
	flags.StringVar(&h.sync, "sync", "", "timeline or host (default: timeline where it works)")
	return c
}

func (h *holding) ring() (layout.Schema, []goring.Option, error) {
	schema, err := h.schema()
	if err != nil {
		return schema, nil, err
	}
	mode, err := layout.ParseMode(h.mode)
	if err != nil {
		return schema, nil, err
	}
	opts := []goring.Option{cuda.Device(h.device), goring.Slots(h.slots), goring.Mode(mode), goring.Producers(h.producers)}
	if h.consumers != 0 {
		opts = append(opts, goring.Consumers(h.consumers))
	}
	if h.sync != "" {
		sync, err := layout.ParseSync(h.sync)
		if err != nil {
			return schema, nil, fmt.Errorf("--sync is %q, want timeline or host", h.sync)
		}
		opts = append(opts, cuda.Sync(sync))
	}
	return schema, opts, nil
}

func (h *holding) schema() (layout.Schema, error) {
	switch {
	case (h.dtype == "") == (h.maxBytes == 0):
		return layout.Schema{}, fmt.Errorf("give --dtype and --shape, or --max-bytes")
	case h.maxBytes != 0 && h.kind == "tensor":
		return layout.Tensor(h.maxBytes), nil
	case h.maxBytes != 0 && h.kind == "bytes":
		return layout.Bytes(h.maxBytes), nil
	case h.maxBytes != 0:
		return layout.Schema{}, fmt.Errorf("--kind is %q, want bytes or tensor", h.kind)
	}
	var shape []int
	for _, dim := range strings.Split(h.shape, ",") {
		if dim == "" && h.shape == "" {
			break // a scalar
		}
		n, err := strconv.Atoi(dim)
		if err != nil {
			return layout.Schema{}, fmt.Errorf("--shape is %q, want numbers with commas between", h.shape)
		}
		shape = append(shape, n)
	}
	return layout.ArrayOf(full(h.dtype), shape...)
}

// full returns a dtype's short name with the byte order, as NumPy does.
func full(dtype string) string {
	switch {
	case dtype == "b1" || dtype == "i1" || dtype == "u1":
		return "|" + dtype
	case len(dtype) > 1 && strings.Contains("iufc", dtype[:1]) && dtype[1] >= '0' && dtype[1] <= '9':
		return "<" + dtype
	}
	return dtype
}

func holdRing(ctx context.Context, w io.Writer, name string, schema layout.Schema, opts []goring.Option) error {
	r, err := goring.Create(name, schema, opts...)
	if err != nil {
		return err
	}
	info, _ := r.GPU()
	sb := r.Superblock()
	fmt.Fprintf(w, "%s: %d slots of %d bytes in %s memory of %s, synchronised by %s; Ctrl-C ends it\n",
		name, sb.Slots, sb.SlotBytes, info.Memory, info.Device, info.Sync)
	<-ctx.Done()
	if err := r.Unlink(); err != nil {
		fmt.Fprintf(w, "%s: %v\n", name, err)
	}
	return r.Close()
}
