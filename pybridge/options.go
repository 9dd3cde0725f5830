package pybridge

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"example.com/goring/goring"
	"example.com/goring/goring/cuda"
	"example.com/goring/layout"
)

// createOptions are all options of a new ring; Python has checked the types.
type createOptions struct {
	Schema     schema         `json:"schema"`
	Slots      int            `json:"slots"`
	Mode       string         `json:"mode"`
	Producers  int            `json:"producers"`
	Consumers  *int           `json:"consumers"`
	MaxMeta    *int           `json:"max_meta"`
	Timestamps *bool          `json:"timestamps"`
	Placement  string         `json:"placement"` // "", inline, separate
	Device     *int           `json:"device"`    // CUDA ordinal
	Memory     string         `json:"memory"`    // "", device, host
	Sync       string         `json:"sync"`      // "", timeline, host
	Prober     []string       `json:"prober"`    // command that loads this library
	Dir        string         `json:"dir"`
	Group      *int           `json:"group"`
	User       string         `json:"user"` // base64 of msgpack, or ""
	Creator    layout.Creator `json:"creator"`
}

type schema struct {
	Kind     string  `json:"kind"`
	DType    string  `json:"dtype"`
	Shape    []int   `json:"shape"`
	Fields   []field `json:"fields"`
	ItemSize int     `json:"itemsize"`
	MaxBytes int     `json:"max_bytes"`
}

type field struct {
	Name   string `json:"name"`
	DType  string `json:"dtype"`
	Offset int    `json:"offset"`
	Shape  []int  `json:"shape"`
}

type openOptions struct {
	Dir        string `json:"dir"`
	AllowGroup bool   `json:"allow_group"`
}

type findOptions struct {
	Dir string `json:"dir"`
}

func parse(text string, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("options: %w: %w", goring.ErrOption, err)
	}
	return nil
}

func parseCreate(text string) (s layout.Schema, opts []goring.Option, err error) {
	var o createOptions
	if err := parse(text, &o); err != nil {
		return s, nil, err
	}
	if s, err = o.Schema.layout(); err != nil {
		return s, nil, err
	}
	mode, err := layout.ParseMode(o.Mode)
	if err != nil {
		return s, nil, fmt.Errorf("%w: %w", goring.ErrOption, err)
	}
	opts = []goring.Option{
		goring.Slots(o.Slots), goring.Mode(mode), goring.Producers(o.Producers),
		goring.CreatedBy(o.Creator),
	}
	if o.Consumers != nil {
		opts = append(opts, goring.Consumers(*o.Consumers))
	}
	if o.MaxMeta != nil {
		opts = append(opts, goring.MaxMeta(*o.MaxMeta))
	}
	if o.Timestamps != nil {
		opts = append(opts, goring.Timestamps(*o.Timestamps))
	}
	switch o.Placement {
	case "":
	case "inline":
		opts = append(opts, goring.Inline())
	case "separate":
		opts = append(opts, goring.Separate())
	default:
		return s, nil, fmt.Errorf("placement %q is neither inline nor separate: %w", o.Placement, goring.ErrOption)
	}
	gpu, err := o.gpu()
	if err != nil {
		return s, nil, err
	}
	opts = append(opts, gpu...)
	if o.Group != nil {
		opts = append(opts, goring.Group(*o.Group))
	}
	if o.User != "" {
		user, err := decodeUser(o.User)
		if err != nil {
			return s, nil, fmt.Errorf("user: %w: %w", goring.ErrOption, err)
		}
		opts = append(opts, goring.User(user))
	}
	return s, append(opts, goring.Dir(o.Dir)), nil
}

// gpu returns the options of a ring on a GPU, none for other rings.
func (o *createOptions) gpu() (opts []goring.Option, err error) {
	if o.Device != nil {
		opts = append(opts, cuda.Device(*o.Device), cuda.ProbeWith(o.Prober...))
	}
	if o.Memory != "" {
		memory, err := layout.ParseMemory(o.Memory)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", goring.ErrOption, err)
		}
		opts = append(opts, cuda.Memory(memory))
	}
	if o.Sync != "" {
		sync, err := layout.ParseSync(o.Sync)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", goring.ErrOption, err)
		}
		opts = append(opts, cuda.Sync(sync))
	}
	return opts, nil
}

func (s schema) layout() (layout.Schema, error) {
	kind, err := layout.ParseKind(s.Kind)
	if err != nil {
		return layout.Schema{}, err
	}
	out := layout.Schema{Kind: kind, DType: s.DType, Shape: s.Shape, ItemSize: s.ItemSize, MaxBytes: s.MaxBytes}
	for _, f := range s.Fields {
		out.Fields = append(out.Fields, layout.Field(f))
	}
	return out, nil
}

func decodeUser(text string) (user map[string]any, err error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	return user, layout.DecodeMeta(b, &user)
}

func parseOpen(text string) ([]goring.Option, error) {
	var o openOptions
	if err := parse(text, &o); err != nil {
		return nil, err
	}
	opts := []goring.Option{goring.Dir(o.Dir)}
	if o.AllowGroup {
		opts = append(opts, goring.AllowGroup())
	}
	return opts, nil
}

func parseFind(text string) ([]goring.Option, error) {
	var o findOptions
	err := parse(text, &o)
	return []goring.Option{goring.Dir(o.Dir)}, err
}
