package main

import (
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"

	"example.com/goring/examples/photo"
)

// picture is a decoded file: height x width x 3 bytes of red, green and blue.
type picture struct {
	file          string
	height, width int
	rgb           []byte
	crc           uint32
}

// load decodes every JPEG and PNG of a folder. It prints and skips files that do not decode.
func load(folder string) ([]picture, error) {
	files, err := photo.Files(folder)
	if err != nil {
		return nil, err
	}
	var all []picture
	for _, path := range files {
		p, err := decode(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "pictures: left out: %v\n", err)
			continue
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no JPEG or PNG in %s that decodes", folder)
	}
	return all, nil
}

func decode(path string) (picture, error) {
	f, err := os.Open(path)
	if err != nil {
		return picture{}, err
	}
	defer func() { _ = f.Close() }()
	p, err := photo.Decode(f)
	if err != nil {
		return picture{}, fmt.Errorf("%s: %w", path, err)
	}
	return picture{file: filepath.Base(path), height: p.Height, width: p.Width, rgb: p.RGB, crc: crc32.ChecksumIEEE(p.RGB)}, nil
}
