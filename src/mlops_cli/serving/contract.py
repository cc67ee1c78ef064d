"""What who runs the server relies on: its port, user, paths, and the time it takes to leave."""

from __future__ import annotations

PORT = 8000  # where an image's server listens, and any server that is told no other
USER = 65532  # an image's user: nobody's number, for `runAsNonRoot` can check a number only
DRAIN = 30  # seconds that a server has to finish what it has; then it may be killed
LEAVE = 1.0  # seconds of them in which clients learn that it leaves
FINISH = 25.0  # seconds of them for answers under way

PREDICT = "/v1/predict"
EXPLAIN = "/v1/explain"
FEEDBACK = "/v1/feedback"
HEALTH = "/healthz"  # 200 as long as the process answers
READY = "/readyz"  # 200 with the bundle's digest; 503 while it drains
METRICS = "/metrics"
DOCUMENT = "/openapi.json"
TRY = ("/", "/docs")  # a person's page: the inputs, an example, a button

DIGEST = "MLOPS_DIGEST"  # names the only bundles which may be served, by commas between them
KEYS = "/run/mlops/keys/keys"  # in a container: the API keys, in a folder that is mounted
CONTROL = "/run/mlops/control/secret"  # in a container: the secret of the same kind of folder
ROLLOUTS = "/run/mlops/rollout"  # in a pod: the folder of the rollout's documents
CANDIDATE = "/run/mlops/candidate"  # in a pod: the folder in which the candidate's bundle is
MODEL = "/opt/mlops/model"  # in a container: its bundle
ROLLOUT = "MLOPS_SERVE_ROLLOUT"  # where a server finds what traffic a rollout has
CONTROL_FILE = "MLOPS_SERVE_CONTROL"  # where a server finds it
LOG = "/log"  # in a container: the prediction log, on a volume of its own
HASH_KEY = "MLOPS_HASH_KEY"  # the secret under which digests of logged columns are HMACs
SHA256, HMAC = "sha256:", "hmac-sha256:"  # begin a digest of a logged value, without and with it
SETTINGS = "MLOPS_SERVE_"  # what the variables of its settings begin with
GRPC_PORT = f"{SETTINGS}GRPC__PORT"  # where gRPC answers
TLS_CERT, TLS_KEY = f"{SETTINGS}TLS__CERT", f"{SETTINGS}TLS__KEY"  # the pair of files, in PEM
TRUST = f"{SETTINGS}TRUST"  # public keys in PEM, or their file
S3_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")  # the first counts
UPLOADED = f"{SETTINGS}LOG__TO"  # where segments are uploaded; until then nobody may remove them
CACHE = f"{SETTINGS}CACHE"  # where predictions are kept; REDIS begins one that an extra brings
REDIS = "redis"
ONLINE = f"{SETTINGS}ONLINE"  # where features are looked up; REDIS begins one of an extra
LOG_DIR = f"{SETTINGS}LOG__DIR"  # the folder of the prediction log; without it there is none
