// Package house holds the tests of how the tree is built: which package may import which, in which
// order C files stand, that every atomic access names its counterpart, how large files are, and
// that the files that pages name exist. Each check runs on the tree, which must pass, and on a
// small tree with a mistake, which must not.
package house
