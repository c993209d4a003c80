package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// S3Options say which bucket holds the large bodies.
type S3Options struct {
	Endpoint  string            // host or host:port
	Bucket    string            // exists already
	Prefix    string            // of all names, such as "bodies/"
	Region    string            // empty: asked for
	AccessKey string            //
	SecretKey string            //
	Plain     bool              // http in place of https: within a machine
	Transport http.RoundTripper // world's; nil: minio-go's own
}

// s3Place keeps large bodies in a bucket.
type s3Place struct {
	client *minio.Client
	bucket string
	prefix string
}

const s3Piece = 512 << 10 // bytes read at once

// NewS3 gives the place of bodies in an S3 bucket. It does not talk to it yet.
func NewS3(o S3Options) (BodyPlace, error) {
	client, err := minio.New(o.Endpoint, &minio.Options{
		Creds:      credentials.NewStaticV4(o.AccessKey, o.SecretKey, ""),
		Secure:     !o.Plain,
		Region:     o.Region,
		Transport:  o.Transport,
		MaxRetries: 3,
	})
	if err != nil {
		return nil, fmt.Errorf("place of bodies: %w", err)
	}
	return &s3Place{client: client, bucket: o.Bucket, prefix: o.Prefix}, nil
}

// Put stores an object under a name that must be new. S3 answers when the object is
// durable.
func (p *s3Place) Put(ctx context.Context, name string, body io.Reader, size int64) error {
	o := minio.PutObjectOptions{ContentType: "message/rfc822", DisableMultipart: true}
	o.SetMatchETagExcept("*")
	_, err := p.client.PutObject(ctx, p.bucket, p.prefix+name, body, size, o)
	if minio.ToErrorResponse(err).StatusCode == http.StatusPreconditionFailed {
		return p.alreadyOurs(ctx, name, size)
	}
	return s3Error(ctx, err)
}

// alreadyOurs is for a repeated request whose first answer was lost: the name is
// random, so what is there is ours, if it is whole.
func (p *s3Place) alreadyOurs(ctx context.Context, name string, size int64) error {
	info, err := p.client.StatObject(ctx, p.bucket, p.prefix+name, minio.StatObjectOptions{})
	if err == nil && info.Size != size {
		return fmt.Errorf("object %s exists with %d bytes in place of %d", name, info.Size, size)
	}
	return s3Error(ctx, err)
}

// Open fetches the first piece.
func (p *s3Place) Open(ctx context.Context, name string) (PlacedBody, error) {
	ctx = context.WithoutCancel(ctx) // the body outlives the call
	return openPieces(s3Piece, func(n int64) ([]byte, error) {
		var o minio.GetObjectOptions
		if err := o.SetRange(n*s3Piece, (n+1)*s3Piece-1); err != nil {
			return nil, err
		}
		object, err := p.client.GetObject(ctx, p.bucket, p.prefix+name, o)
		if err != nil {
			return nil, s3Error(ctx, err)
		}
		defer object.Close()
		piece, err := io.ReadAll(io.LimitReader(object, s3Piece))
		return piece, s3Error(ctx, err)
	})
}

// Delete removes an object.
func (p *s3Place) Delete(ctx context.Context, name string) error {
	return s3Error(ctx, p.client.RemoveObject(ctx, p.bucket, p.prefix+name, minio.RemoveObjectOptions{}))
}

// List walks over the objects under the prefix.
func (p *s3Place) List(ctx context.Context, before time.Time, f func(name string) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the listing where f does
	for o := range p.client.ListObjects(ctx, p.bucket, minio.ListObjectsOptions{Prefix: p.prefix, Recursive: true}) {
		if o.Err != nil {
			return s3Error(ctx, o.Err)
		}
		if !o.LastModified.Before(before) {
			continue
		}
		if err := f(strings.TrimPrefix(o.Key, p.prefix)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// s3Error is an answer of S3 as one of the errors that callers tell apart.
func s3Error(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	switch minio.ToErrorResponse(err).Code {
	case minio.NoSuchKey, minio.InvalidRange:
		return fmt.Errorf("%w: %w", ErrNoRow, err)
	case "XMinioStorageFull", "QuotaExceeded":
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return fmt.Errorf("%w: %w", ErrUnreachable, err)
}
