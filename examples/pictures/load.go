package main

import (
	"fmt"
	"hash/crc32"
	"image"
	"image/draw"
	_ "image/jpeg" // decoders for the files of the folder
	_ "image/png"
	"os"
	"path/filepath"
	"strings"
)

// picture is a decoded file: height x width x 3 bytes of red, green and blue.
type picture struct {
	file          string
	height, width int
	rgb           []byte
	crc           uint32
}

// load decodes every JPEG and PNG of a folder. Files that do not decode are named
// and left out.
func load(folder string) ([]picture, error) {
	if folder == "" {
		return nil, fmt.Errorf("no folder of pictures: say -images FOLDER")
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var all []picture
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".jpg", ".jpeg", ".png":
		default:
			continue
		}
		p, err := decode(filepath.Join(folder, e.Name()))
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
	img, _, err := image.Decode(f)
	if err != nil {
		return picture{}, fmt.Errorf("%s: %w", path, err)
	}
	b := img.Bounds()
	rgba := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(rgba, rgba.Bounds(), img, b.Min, draw.Src)
	p := picture{file: filepath.Base(path), height: b.Dy(), width: b.Dx(), rgb: make([]byte, 0, 3*b.Dx()*b.Dy())}
	for i := 0; i < len(rgba.Pix); i += 4 {
		p.rgb = append(p.rgb, rgba.Pix[i:i+3]...)
	}
	p.crc = crc32.ChecksumIEEE(p.rgb)
	return p, nil
}
