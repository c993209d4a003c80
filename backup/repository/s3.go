package repository

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Options say which bucket holds a repository.
type S3Options struct {
	Endpoint  string            // host or host:port
	Bucket    string            // exists already
	Prefix    string            // of all names, such as "backup/"
	Region    string            // empty: asked for
	AccessKey string            //
	SecretKey string            //
	Plain     bool              // http in place of https: within a machine
	Transport http.RoundTripper // nil: minio-go's own
}

// bucket is a place in S3.
type bucket struct {
	client *minio.Client
	S3Options
}

// NewS3 is the place in a bucket. It does not talk to it yet.
func NewS3(o S3Options) (Place, error) {
	client, err := minio.New(o.Endpoint, &minio.Options{
		Creds:      credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""),
		Secure:     !o.Plain,
		Region:     o.Region,
		Transport:  o.Transport,
		MaxRetries: 5,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlace, err)
	}
	return &bucket{client, o}, nil
}

// String is the bucket and the prefix.
func (p *bucket) String() string { return "s3://" + p.Bucket + "/" + p.Prefix }

// Put stores an object. S3 answers when it is whole and durable.
func (p *bucket) Put(ctx context.Context, name string, body io.ReadSeeker, size int64) error {
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := p.client.PutObject(ctx, p.Bucket, p.Prefix+name, body, size,
		minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true})
	return s3Error(ctx, name, err)
}

// Open asks for the size; ReadAt fetches ranges.
func (p *bucket) Open(ctx context.Context, name string) (File, error) {
	info, err := p.client.StatObject(ctx, p.Bucket, p.Prefix+name, minio.StatObjectOptions{})
	if err != nil {
		return nil, s3Error(ctx, name, err)
	}
	return &window{size: info.Size, load: func(at int64, piece []byte) error { return p.fetch(ctx, name, at, piece) }}, nil
}

func (p *bucket) fetch(ctx context.Context, name string, at int64, piece []byte) error {
	var o minio.GetObjectOptions
	if err := o.SetRange(at, at+int64(len(piece))-1); err != nil {
		return err
	}
	object, err := p.client.GetObject(ctx, p.Bucket, p.Prefix+name, o)
	if err != nil {
		return s3Error(ctx, name, err)
	}
	defer object.Close()
	_, err = io.ReadFull(object, piece)
	return s3Error(ctx, name, err)
}

// List walks over the objects.
func (p *bucket) List(ctx context.Context, prefix string, f func(name string, size int64) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing where f does
	for o := range p.client.ListObjects(ctx, p.Bucket, minio.ListObjectsOptions{Prefix: p.Prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return s3Error(ctx, prefix, o.Err)
		}
		if err := f(strings.TrimPrefix(o.Key, p.Prefix), o.Size); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Delete removes an object.
func (p *bucket) Delete(ctx context.Context, name string) error {
	return s3Error(ctx, name, p.client.RemoveObject(ctx, p.Bucket, p.Prefix+name, minio.RemoveObjectOptions{}))
}

func s3Error(ctx context.Context, name string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return fmt.Errorf("%w: %s is cut off", ErrDamaged, name)
	}
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%w: %s", ErrMissing, name)
	case minio.InvalidRange:
		return fmt.Errorf("%w: %s is cut off", ErrDamaged, name)
	}
	return placeError(err)
}
