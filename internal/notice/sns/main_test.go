package sns_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"go.uber.org/goleak"

	"strm/internal/notice/sns"
)

// asChild is set in the environment of a process that verifies its standard
// input as strm does as shipped, and prints the check that failed.
const asChild = "SNS_TEST_VERIFY"

func TestMain(m *testing.M) {
	if os.Getenv(asChild) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	body, err := io.ReadAll(os.Stdin)
	if err == nil {
		_, err = sns.New(sns.Options{}).Verify(context.Background(), body, topic)
	}
	if err != nil {
		fmt.Println(check(err), err)
		return
	}
	fmt.Println("verified")
}
