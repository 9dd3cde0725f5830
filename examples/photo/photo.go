// Package photo reads pictures for the examples.
package photo

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	_ "image/jpeg" // registers the decoder
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Photo is a decoded picture: Height x Width x 3 bytes of red, green and blue.
type Photo struct {
	Height, Width int
	RGB           []byte
}

// Decode reads a JPEG or PNG.
func Decode(r io.Reader) (Photo, error) {
	img, _, err := image.Decode(r)
	if err != nil {
		return Photo{}, err
	}
	b := img.Bounds()
	rgba := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	draw.Draw(rgba, rgba.Bounds(), img, b.Min, draw.Src)
	p := Photo{Height: b.Dy(), Width: b.Dx(), RGB: make([]byte, 0, 3*b.Dx()*b.Dy())}
	for i := 0; i < len(rgba.Pix); i += 4 {
		p.RGB = append(p.RGB, rgba.Pix[i:i+3]...)
	}
	return p, nil
}

// EncodePNG writes the picture.
func (p Photo) EncodePNG(w io.Writer) error {
	img := image.NewRGBA(image.Rect(0, 0, p.Width, p.Height))
	for i := range p.Height * p.Width {
		img.SetRGBA(i%p.Width, i/p.Width, color.RGBA{p.RGB[3*i], p.RGB[3*i+1], p.RGB[3*i+2], 255})
	}
	return png.Encode(w, img)
}

// Files returns the JPEG and PNG files of a folder, by their endings.
func Files(folder string) ([]string, error) {
	if folder == "" {
		return nil, fmt.Errorf("no folder of pictures: say -images FOLDER")
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		switch strings.ToLower(filepath.Ext(e.Name())) {
		case ".jpg", ".jpeg", ".png":
			all = append(all, filepath.Join(folder, e.Name()))
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no JPEG or PNG in %s", folder)
	}
	return all, nil
}
