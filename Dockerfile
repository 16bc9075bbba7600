# Owns the container image: built in one stage, run in another that has neither the compiler nor the tests.

# The major version of Node is pinned to an LTS; the lock file pins the npm packages.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build
RUN npm prune --omit=dev
# The commit that is built, for the metric build_info: docker build --build-arg REVISION=$(git rev-parse HEAD)
ARG REVISION=unknown
RUN printf '%s\n' "$REVISION" > dist/revision

FROM node:24-bookworm-slim
WORKDIR /app
# All IPv4 addresses, since a port that is published never comes in by loopback. Two things follow from that. Clients are not
# on loopback either, and PLAINTEXT_NETWORKS stays `loopback`: nobody may log in until it names the networks whose clients
# may send passwords without TLS (PLAINTEXT_NETWORKS=172.16.0.0/12, say). And whoever reaches port 9143 reads the metrics:
# publish it to a network of yours alone, or not at all.
ENV NODE_ENV=production \
    LISTEN=imap://0.0.0.0:1143 \
    ADMIN_LISTEN=0.0.0.0:9143
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY scripts/healthcheck.mjs ./scripts/
USER node
EXPOSE 1143 9143
# The process is healthy while it answers, whatever the IMAP server does: a restart would not bring that back.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 CMD ["node", "scripts/healthcheck.mjs"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="ImapBouncer" \
      org.opencontainers.image.description="A local proxy that pools logged-in IMAP connections" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="$REVISION"
# docker stop must wait for longer than DRAIN_TIMEOUT (30s), in which sessions may finish, and RELEASE_TIMEOUT (5s) and 2 s
# behind it: docker run --stop-timeout 40, or docker stop -t 40.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/main.js"]
