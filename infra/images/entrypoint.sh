#!/bin/sh
# Makes DATABASE_URL out of a password that stands in a file, so that no compose file or image holds it.
# The password is put into a URL as it is: letters and digits.
set -eu
if [ -n "${LQO_DATABASE_PASSWORD_FILE:-}" ]; then
	password=$(cat "$LQO_DATABASE_PASSWORD_FILE")
	export DATABASE_URL="postgresql://${LQO_DATABASE_USER:-lqo}:${password}@${LQO_DATABASE_HOST:-postgres}:5432/${LQO_DATABASE_NAME:-lqo}"
fi
exec "$@"
