package main

import (
	"bytes"
	"errors"
	"io"
	"os"

	"github.com/allgreen-mail/allgreen/finding"
	"github.com/allgreen-mail/allgreen/show"
)

// reportFiles are the files that a run writes besides what it prints.
type reportFiles []reportFile

// reportFile is one of them, and how a report is put there.
type reportFile struct {
	*os.File
	render func(io.Writer, []*finding.Report) error
}

// openFiles opens the files that --html and --junit name. That happens before
// anything is audited: a path that cannot be written is no news for the end of a
// long run. What an earlier run wrote stays until there is something to replace it.
func (c *checkCommand) openFiles() (reportFiles, error) {
	var files reportFiles
	for _, wanted := range []struct {
		path   string
		render func(io.Writer, []*finding.Report) error
	}{{c.HTML, show.HTML}, {c.JUnit, show.JUnit}} {
		if wanted.path == "" {
			continue
		}
		f, err := os.OpenFile(wanted.path, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return nil, errors.Join(noInput(err, "name a file that can be written"), files.close())
		}
		files = append(files, reportFile{f, wanted.render})
	}
	return files, nil
}

// write replaces what the files hold.
func (fs reportFiles) write(reports []*finding.Report) error {
	var failed error
	for _, f := range fs {
		failed = errors.Join(failed, f.replace(reports))
	}
	return failed
}

func (f reportFile) replace(reports []*finding.Report) error {
	var page bytes.Buffer
	if err := f.render(&page, reports); err != nil {
		return err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() { // a pipe has no beginning
		if err := errors.Join(f.Truncate(0), rewind(f.File)); err != nil {
			return err
		}
	}
	_, err := page.WriteTo(f)
	return err
}

func rewind(f *os.File) error {
	_, err := f.Seek(0, io.SeekStart)
	return err
}

func (fs reportFiles) close() error {
	var failed error
	for _, f := range fs {
		failed = errors.Join(failed, f.Close())
	}
	return failed
}
