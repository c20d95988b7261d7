"""Checks of docs/bedrock.rst."""

from tests.docs.providers import bedrock, sdk_page

doc = sdk_page(
    "docs/bedrock.rst",
    bedrock,
    "client = boto3.client(",
    AWS_ACCESS_KEY_ID="k",
    AWS_SECRET_ACCESS_KEY="s",
    AWS_ENDPOINT_URL="{url}",
)

test_bedrock = doc.test()
