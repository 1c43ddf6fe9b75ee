"""Compose files as the world writes them, in many styles, and what an import must say of each.

Written for these tests after the patterns of public documentation (official images' pages, app
stores' guides, the Compose Specification); none is a copy of a real project's file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Foreign:
    """One file. `says` are (kind, part of what or todo, source line or 0); `holds` are values of
    the draft by dotted path (None: nothing there); `hides` may stand nowhere in the draft.
    """

    name: str
    text: str
    says: tuple[tuple[str, str, int], ...] = ()
    holds: dict[str, Any] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    beside: dict[str, str] = field(default_factory=dict)


FOREIGN = [
    Foreign(
        "wordpress",
        """\
version: '3.1'

services:
  wordpress:
    image: wordpress
    restart: always
    ports:
      - 8080:80
    environment:
      WORDPRESS_DB_HOST: db
      WORDPRESS_DB_USER: penulis
      WORDPRESS_DB_PASSWORD: sandi-contoh
      WORDPRESS_DB_NAME: blog
    volumes:
      - wordpress:/var/www/html
  db:
    image: mysql:8.0
    restart: always
    environment:
      MYSQL_DATABASE: blog
      MYSQL_USER: penulis
      MYSQL_PASSWORD: sandi-contoh
      MYSQL_RANDOM_ROOT_PASSWORD: '1'
    volumes:
      - db:/var/lib/mysql

volumes:
  wordpress:
  db:
""",
        (
            ("missing", "“wordpress” names no version", 5),
            ("changed", "restart: always", 6),
            ("changed", "port 80 is reached through the gateway", 8),
            ("secret", "WORDPRESS_DB_PASSWORD", 12),
            ("missing", "no health check", 4),
            ("missing", "limits.memory", 16),
        ),
        {
            "services.wordpress.image": "wordpress:TO-FILL-IN",
            "services.wordpress.environment.WORDPRESS_DB_PASSWORD_FILE": (
                "/run/secrets/wordpress_db_password"
            ),
            "services.db.environment.MYSQL_PASSWORD_FILE": "/run/secrets/wordpress_db_password",
            "services.db.environment.MYSQL_RANDOM_ROOT_PASSWORD": "1",
            "services.wordpress.ports": None,
            "x-smartcity.routes.0.port": 80,
            "x-smartcity.requires.0.app": "gateway",
        },
        ("sandi-contoh",),
    ),
    Foreign(
        "nextcloud",
        """\
services:
  db:
    image: mariadb:10.6
    restart: always
    command: --transaction-isolation=READ-COMMITTED --binlog-format=ROW
    volumes:
      - db:/var/lib/mysql
    environment:
      - MYSQL_ROOT_PASSWORD=
      - MYSQL_PASSWORD=
      - MYSQL_DATABASE=nextcloud
      - MYSQL_USER=nextcloud
  redis:
    image: redis:alpine
    restart: always
  app:
    image: nextcloud:stable-apache
    restart: always
    ports:
      - 127.0.0.1:8080:80
    depends_on:
      - redis
      - db
    volumes:
      - ./html:/var/www/html
      - ./custom.config.php:/var/www/html/config/custom.config.php:ro
    environment:
      - MYSQL_HOST=db
      - REDIS_HOST=redis
    env_file:
      - db.env
volumes:
  db:
""",
        (
            ("missing", "nextcloud:stable-apache", 17),
            ("changed", "./html", 25),
            ("dropped", "custom.config.php", 26),
            ("changed", "what db.env says", 31),
            ("secret", "NEXTCLOUD_ADMIN_PASSWORD", 31),
        ),
        {
            "services.app.volumes": ["app-html:/var/www/html"],
            "services.app.depends_on": ["redis", "db"],
            "services.app.environment.NEXTCLOUD_ADMIN_PASSWORD_FILE": (
                "/run/secrets/nextcloud_admin_password"
            ),
            "services.app.environment.NEXTCLOUD_ADMIN_USER": "admin",
            "services.db.environment.MYSQL_PASSWORD": "",
            "x-smartcity.routes.0.service": "app",
        },
        ("rahasia-besar",),
        {
            "db.env": "# comment\nNEXTCLOUD_ADMIN_USER=admin\n"
            "NEXTCLOUD_ADMIN_PASSWORD='rahasia-besar'\n"
        },
    ),
    Foreign(
        "gitea",
        """\
networks:
  gitea:
    external: false

services:
  server:
    image: docker.gitea.com/gitea:1.22.3
    container_name: gitea
    environment:
      - USER_UID=1000
      - GITEA__database__DB_TYPE=postgres
      - GITEA__database__HOST=db:5432
      - GITEA__database__PASSWD=gitea
    networks:
      - gitea
    volumes:
      - ./gitea:/data
      - /etc/timezone:/etc/timezone:ro
      - /etc/localtime:/etc/localtime:ro
    ports:
      - "3000:3000"
      - "222:22"
    depends_on:
      - db
  db:
    image: docker.io/library/postgres:14
    environment:
      - POSTGRES_PASSWORD=gitea
    networks:
      - gitea
    volumes:
      - ./postgres:/var/lib/postgresql/data
""",
        (
            ("dropped", "container_name", 8),
            ("note", "TZ says the zone", 18),
            ("dropped", "port 22 (tcp)", 22),
            ("secret", "GITEA__database__PASSWD", 13),
        ),
        {
            "x-smartcity.version": "1.22.3",
            "x-smartcity.routes.0.port": 3000,
            "services.server.networks": ["gitea"],
            "networks.gitea": {},
            "services.server.environment.GITEA__database__PASSWD__FILE": (
                "/run/secrets/gitea__database__passwd"
            ),
            "services.server.environment.GITEA__database__HOST": "db:5432",
        },
    ),
    Foreign(
        "pemantauan",
        """\
services:
  prometheus:
    image: prom/prometheus:v2.53.0
    command:
      - '--config.file=/etc/prometheus/prometheus.yml'
      - '--storage.tsdb.retention.time=15d'
    ports: ["9090:9090"]
    volumes:
      - ./prometheus:/etc/prometheus:ro
      - prom_data:/prometheus
    healthcheck:
      test: ["CMD", "wget", "-q", "--spider", "http://localhost:9090/-/healthy"]
      interval: 30s
      start_interval: 1s
  grafana:
    image: grafana/grafana:11.1.0
    user: "472"
    environment:
      GF_SECURITY_ADMIN_USER: admin
      GF_SECURITY_ADMIN_PASSWORD: grafana
      GF_USERS_ALLOW_SIGN_UP: false
    ports: ["3000:3000"]
    volumes: [grafana:/var/lib/grafana]
  node-exporter:
    image: prom/node-exporter:v1.8.1
    pid: host
    network_mode: host
    volumes:
      - /proc:/host/proc:ro
      - /sys:/host/sys:ro
      - /:/rootfs:ro
  cadvisor:
    image: gcr.io/cadvisor/cadvisor:v0.49.1
    privileged: true
    devices: [/dev/kmsg]
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock:ro
volumes:
  prom_data: {}
  grafana: {}
""",
        (
            ("dropped", "start_interval", 14),
            ("dropped", "“pid”", 26),
            ("dropped", "network_mode", 27),
            ("dropped", "the server's own /proc", 29),
            ("dropped", "“privileged”", 34),
            ("dropped", "“devices”", 35),
            ("dropped", "engine's socket", 37),
        ),
        {
            "services.grafana.environment.GF_SECURITY_ADMIN_PASSWORD__FILE": (
                "/run/secrets/gf_security_admin_password"
            ),
            "services.grafana.environment.GF_USERS_ALLOW_SIGN_UP": "false",
            "services.grafana.user": "472",
            "services.node-exporter.volumes": None,
            "x-smartcity.routes.0.health": "/pemantauan/-/healthy",
            "x-smartcity.routes.1.path": "/pemantauan-grafana/",
        },
    ),
    Foreign(
        "traefik-whoami",
        """\
services:
  traefik:
    image: traefik:v3.1
    command:
      - --providers.docker=true
      - --entrypoints.web.address=:80
    ports:
      - "80:80"
      - "8080:8080"
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock:ro
  whoami:
    image: traefik/whoami:v1.10
    labels:
      - "traefik.enable=true"
      - "traefik.http.routers.whoami.rule=Host(`whoami.localhost`)"
      - "traefik.http.services.whoami.loadbalancer.server.port=2001"
      - "id.go.contoh=ya"
    networks: [proxy]
networks:
  proxy:
    external: true
""",
        (
            ("changed", "labels of a proxy", 14),
            ("dropped", "the network “proxy” belongs to others", 21),
            ("dropped", "engine's socket", 11),
        ),
        {
            "services.whoami.labels": {"id.go.contoh": "ya"},
            "x-smartcity.routes.0.service": "whoami",
            "x-smartcity.routes.0.port": 2001,
            "networks": None,
        },
    ),
    Foreign(
        "keycloak",
        """\
services:
  postgres:
    image: postgres:16
    environment:
      POSTGRES_DB: keycloak
      POSTGRES_USER: keycloak
      POSTGRES_PASSWORD: ${POSTGRES_PASSWORD}
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U keycloak"]
      interval: 10s
      timeout: 5s
      retries: 5
  keycloak:
    image: quay.io/keycloak/keycloak:25.0.2
    command: [start, --hostname, "${KC_HOSTNAME:-localhost}"]
    environment:
      KC_DB: postgres
      KC_DB_URL: jdbc:postgresql://postgres/keycloak
      KC_DB_USERNAME: keycloak
      KC_DB_PASSWORD: ${POSTGRES_PASSWORD}
      KEYCLOAK_ADMIN: ${KC_ADMIN:?set it}
      KEYCLOAK_ADMIN_PASSWORD: ${KC_ADMIN_PASSWORD-admin-awal}
    ports:
      - "${KC_PORT:-8080}:8080"
      - "8443:8443"
    depends_on:
      postgres:
        condition: service_healthy
""",
        (
            ("secret", "KC_DB_PASSWORD", 20),
            ("missing", "${KC_ADMIN}", 21),
            ("changed", "waited for until service_healthy", 27),
            ("dropped", "port 8443", 25),
        ),
        {
            "services.keycloak.command": ["start", "--hostname", "localhost"],
            "services.keycloak.depends_on": ["postgres"],
            "services.keycloak.secrets": ["postgres_password", "kc_admin_password"],
            "services.postgres.environment.POSTGRES_PASSWORD_FILE": (
                "/run/secrets/postgres_password"
            ),
            "services.keycloak.environment.KEYCLOAK_ADMIN": "TO-FILL-IN",
            "services.keycloak.environment.KC_DB_PASSWORD": None,
            "x-smartcity.version": "25.0.2",
        },
        ("admin-awal",),
    ),
    Foreign(
        "odoo",
        """\
version: '3.1'
services:
  web:
    image: odoo:17.0
    depends_on: [mydb]
    ports: ["8069:8069"]
    environment:
    - HOST=mydb
    - USER=odoo
    - PASSWORD=myodoo
    volumes:
      - odoo-web-data:/var/lib/odoo
      - ./config:/etc/odoo
      - ./addons:/mnt/extra-addons
  mydb:
    image: postgres:15
    environment:
      - POSTGRES_DB=postgres
      - POSTGRES_PASSWORD=myodoo
      - POSTGRES_USER=odoo
volumes:
  odoo-web-data:
""",
        (("secret", "“PASSWORD”", 10), ("changed", "./addons", 14)),
        {
            "services.web.environment.PASSWORD_FILE": "/run/secrets/password",
            "services.mydb.environment.POSTGRES_PASSWORD_FILE": "/run/secrets/password",
            "x-smartcity.routes.0.port": 8069,
        },
        ("myodoo",),
    ),
    Foreign(
        "metabase",
        """\
services:
  metabase:
    image: metabase/metabase:v0.50.20
    hostname: metabase
    volumes:
      - /dev/urandom:/dev/random:ro
    ports:
      - 3000:3000
    environment:
      MB_DB_TYPE: postgres
      MB_DB_PORT: 5432
      MB_DB_PASS: mysecretpassword
    networks: [metanet1]
    healthcheck:
      test: curl --fail -I http://localhost:3000/api/health || exit 1
      interval: 15s
      timeout: 5s
      retries: 5
networks:
  metanet1:
    driver: bridge
""",
        (("dropped", "the server's own /dev/urandom", 6), ("secret", "MB_DB_PASS", 12)),
        {
            "services.metabase.environment.MB_DB_PORT": "5432",
            "services.metabase.healthcheck.test": (
                "curl --fail -I http://localhost:3000/api/health || exit 1"
            ),
            "x-smartcity.routes.0.health": "/metabase/api/health",
            "x-smartcity.version": "0.50.20",
        },
        ("mysecretpassword",),
    ),
    Foreign(
        "n8n",
        """\
volumes:
  n8n_storage:
    external: true

x-shared: &shared
  restart: always
  image: docker.n8n.io/n8nio/n8n
  environment:
    - DB_TYPE=postgresdb
    - DB_POSTGRESDB_PASSWORD=${POSTGRES_NON_ROOT_PASSWORD}
    - N8N_ENCRYPTION_KEY=${ENCRYPTION_KEY}
    - N8N_HOST
  volumes:
    - n8n_storage:/home/node/.n8n

services:
  n8n:
    <<: *shared
    ports:
      - 5678:5678
  n8n-worker:
    <<: *shared
    command: worker
    depends_on:
      - n8n
""",
        (
            ("changed", "n8n_storage” belongs to others", 3),
            ("missing", "“N8N_HOST” came from the shell", 12),
            ("secret", "N8N_ENCRYPTION_KEY", 11),
        ),
        {
            "services.n8n-worker.command": "worker",
            "services.n8n.environment.N8N_ENCRYPTION_KEY_FILE": "/run/secrets/encryption_key",
            "services.n8n.image": "docker.n8n.io/n8nio/n8n:TO-FILL-IN",
            "volumes.n8n_storage": {},
            "x-smartcity.routes.0.port": 5678,
        },
    ),
    Foreign(
        "minio",
        """\
x-minio-common: &minio-common
  image: quay.io/minio/minio:RELEASE.2024-07-16T23-46-41Z
  command: server --console-address ":9001" http://minio{1...2}/data
  expose:
    - "9000"
    - "9001"
  environment:
    MINIO_ROOT_USER: minioadmin
    MINIO_ROOT_PASSWORD: minioadmin
  healthcheck:
    test: ["CMD", "mc", "ready", "local"]

services:
  minio1:
    <<: *minio-common
    hostname: minio1
    volumes: [data1:/data]
  minio2:
    <<: *minio-common
    hostname: minio2
    volumes: [data2:/data]
  nginx:
    image: nginx:1.27-alpine
    volumes:
      - ./nginx.conf:/etc/nginx/nginx.conf:ro
    ports:
      - "9000:9000"
      - "9001:9001"
    depends_on: [minio1, minio2]
volumes:
  data1:
  data2:
""",
        (("dropped", "nginx.conf", 25), ("dropped", "port 9001", 28)),
        {
            "services.minio2.environment.MINIO_ROOT_PASSWORD_FILE": (
                "/run/secrets/minio_root_password"
            ),
            "services.minio1.environment.MINIO_ROOT_USER": "minioadmin",
            "x-smartcity.routes.0.service": "nginx",
            "services.nginx.volumes": None,
        },
    ),
    Foreign(
        "erp",
        """\
x-customizable-image: &customizable_image
  image: ${CUSTOM_IMAGE:-frappe/erpnext}:${CUSTOM_TAG:-v15.30.0}
  pull_policy: ${PULL_POLICY:-always}
  restart: ${RESTART_POLICY:-unless-stopped}
x-depends: &depends_on_configurator
  depends_on:
    configurator:
      condition: service_completed_successfully
x-backend-defaults: &backend_defaults
  <<: [*depends_on_configurator, *customizable_image]
  volumes:
    - sites:/home/frappe/frappe-bench/sites
services:
  configurator:
    <<: *backend_defaults
    platform: linux/amd64
    entrypoint: ["bash", "-c"]
    command:
      - >
        ls -1 apps > sites/apps.txt;
        bench set-config -g db_host $$DB_HOST;
    environment:
      DB_HOST: ${DB_HOST:-}
    depends_on: {}
    restart: on-failure:3
  backend:
    <<: *backend_defaults
  frontend:
    <<: *customizable_image
    platform: linux/amd64
    command: [nginx-entrypoint.sh]
    environment:
      BACKEND: backend:8000
    ports:
      - ${HTTP_PUBLISH_PORT:-8080}:8080
    depends_on: [backend]
volumes:
  sites:
""",
        (
            ("changed", "service_completed_successfully", 7),
            ("dropped", "“platform” is left out", 16),
            ("dropped", "“pull_policy” is left out", 3),
        ),
        {
            "services.backend.image": "frappe/erpnext:v15.30.0",
            "services.configurator.deploy.restart_policy": {
                "condition": "on-failure",
                "max_attempts": 3,
            },
            "services.configurator.command.0": (
                "ls -1 apps > sites/apps.txt; bench set-config -g db_host $$DB_HOST;\n"
            ),
            "services.backend.deploy.restart_policy.condition": "any",
            "services.backend.depends_on": ["configurator"],
        },
    ),
    Foreign(
        "geoportal",
        """\
services:
  db:
    image: kartoza/postgis:16-3.4
    environment:
      - POSTGRES_DB=gis,data
      - POSTGRES_USER=docker
      - POSTGRES_PASS=docker
      - ALLOW_IP_RANGE=0.0.0.0/0
      - FORCE_SSL=TRUE
    ports:
      - "32767:5432"
    healthcheck:
      test: "PGPASSWORD=docker pg_isready -h 127.0.0.1 -U docker -d gis"
  geoserver:
    image: kartoza/geoserver:2.25.2
    environment:
      - GEOSERVER_ADMIN_PASSWORD=myawesomegeoserver
      - INITIAL_MEMORY=2G
      - MAXIMUM_MEMORY=4G
    mem_limit: 4g
    mem_reservation: 2g
    cpus: 2
    ports:
      - "8600:8080"
    depends_on:
      db:
        condition: service_healthy
    healthcheck:
      test: curl --fail -s http://localhost:8080/geoserver/rest/about/version.xml || exit 1
      interval: 1m30s
""",
        (
            ("changed", "“mem_limit” is deploy.resources.limits.memory now", 20),
            ("changed", "“cpus” is deploy.resources.limits.cpus now", 22),
            ("dropped", "port 5432 is not published", 11),
            ("secret", "GEOSERVER_ADMIN_PASSWORD", 17),
        ),
        {
            "services.geoserver.deploy.resources": {
                "limits": {"memory": "4g", "cpus": "2"},
                "reservations": {"memory": "2g"},
            },
            "services.db.environment.POSTGRES_PASS_FILE": "/run/secrets/postgres_pass",
            "x-smartcity.routes.0.health": "/geoportal/geoserver/rest/about/version.xml",
        },
        ("myawesomegeoserver",),
    ),
    Foreign(
        "sid-desa",
        """\
version: "3"
services:
  php:
    build:
      context: .
      dockerfile: docker/Dockerfile
    container_name: opensid_php
    ports: ["8000:80"]
    volumes:
      - .:/var/www/html
    links:
      - mariadb
  mariadb:
    image: mariadb:10.3
    environment:
      MARIADB_DATABASE: opensid
      MARIADB_ROOT_PASSWORD: secret
    ports: ["3306:3306"]
    volumes: ["./mysql:/var/lib/mysql:cached"]
  phpmyadmin:
    image: phpmyadmin/phpmyadmin
    environment:
      - PMA_HOST=mariadb
      - PMA_PASSWORD=secret
    ports: ["8081:80"]
    profiles: [dev]
""",
        (
            ("dropped", "the sources of the image", 4),
            ("dropped", "“phpmyadmin” starts only with a profile", 20),
            ("dropped", "“links” is left out", 11),
            ("dropped", "port 3306", 18),
        ),
        {
            "services.php.image": "sid-desa/php:TO-FILL-IN",
            "services.phpmyadmin": None,
            "services.mariadb.environment.MARIADB_ROOT_PASSWORD_FILE": (
                "/run/secrets/mariadb_root_password"
            ),
            "services.php.volumes": ["php-html:/var/www/html"],
        },
    ),
    Foreign(
        "perpustakaan",
        """\
# an old file: version 2, memory in the old words
version: '2'
services:
  slims:
    image: contoh/slims:9.6.1
    mem_limit: 512m
    memswap_limit: 1g
    cpu_shares: 73
    cpuset: 0,1
    volumes_from: [data]
    links: ["db:mysql"]
    ports: ["80"]
    environment:
      DB_HOST: mysql
      DB_PASS: "12345678"
  data:
    image: busybox:1.36
    volumes: [/var/www/html/images]
  db:
    image: mysql:5.7
    mem_reservation: 256m
    ulimits:
      nofile: {soft: 20000, hard: 40000}
""",
        (
            ("dropped", "“memswap_limit”", 7),
            ("dropped", "“cpuset”", 9),
            ("dropped", "“volumes_from”", 10),
            ("dropped", "“links” is left out", 11),
            ("changed", "has no name", 18),
            ("secret", "DB_PASS", 15),
        ),
        {
            "services.slims.deploy.resources.limits.memory": "512m",
            "services.db.deploy.resources.reservations.memory": "256m",
            "services.db.ulimits": {"nofile": {"soft": 20000, "hard": 40000}},
            "services.data.volumes": ["data-images:/var/www/html/images"],
            "x-smartcity.routes.0.port": 80,
        },
        ("12345678",),
    ),
    Foreign(
        "moodle",
        """\
services:
  mariadb:
    image: docker.io/bitnami/mariadb:10.11
    environment:
      # ALLOW_EMPTY_PASSWORD is recommended only for development.
      - ALLOW_EMPTY_PASSWORD=yes
      - MARIADB_USER=bn_moodle
    volumes:
      - 'mariadb_data:/bitnami/mariadb'
  moodle:
    image: docker.io/bitnami/moodle:4.3
    ports:
      - '80:8080'
      - '443:8443'
    environment:
      - ALLOW_EMPTY_PASSWORD=yes
      - MOODLE_PASSWORD=bitnami-contoh
    volumes:
      - 'moodle_data:/bitnami/moodle'
    depends_on:
      - mariadb
volumes:
  mariadb_data:
    driver: local
  moodle_data:
    driver: local
    driver_opts: {type: nfs, o: "addr=10.0.0.5,rw", device: ":/moodle"}
""",
        (
            ("secret", "MOODLE_PASSWORD", 17),
            ("dropped", "where the volume “moodle_data” lies", 27),
        ),
        {
            "services.mariadb.environment.ALLOW_EMPTY_PASSWORD": "yes",
            "services.moodle.environment.MOODLE_PASSWORD_FILE": "/run/secrets/moodle_password",
            "volumes.moodle_data": {},
            "x-smartcity.routes.0.port": 8080,
        },
        ("bitnami-contoh",),
    ),
    Foreign(
        "antrean-redis",
        """\
services:
  web:
    build: .
    command: gunicorn -w 4 -b 0.0.0.0:5000 app:app
    ports: ["5000:5000"]
    environment:
      REDIS_URL: redis://:kata-sandi-panjang@redis:6379/0
      DATABASE_URL: "postgresql://app:${DB_PASSWORD:-ubahsaya}@db:5432/app"
  worker:
    build: {context: ., target: worker}
    image: contoh/antrean:2.1.0
    command: rq worker
    deploy:
      replicas: 3
      placement: {constraints: [node.role == worker]}
  redis:
    image: redis:7.2-alpine
    command: redis-server --requirepass kata-sandi-panjang --appendonly yes
    healthcheck:
      test: [CMD, redis-cli, -a, kata-sandi-panjang, ping]
  db:
    image: postgres:16.3
    environment: {POSTGRES_PASSWORD: "${DB_PASSWORD:-ubahsaya}", POSTGRES_USER: app}
""",
        (
            ("secret", "a password stands in “REDIS_URL”", 7),
            ("secret", "a password stands in “command”", 18),
            ("dropped", "runs once on a server", 14),
            ("dropped", "“placement” of deploy", 15),
        ),
        {
            "services.web.environment.REDIS_URL": "redis://:TO-FILL-IN@redis:6379/0",
            "services.web.environment.DATABASE_URL": "postgresql://app:TO-FILL-IN@db:5432/app",
            "services.worker.image": "contoh/antrean:2.1.0",
            "services.worker.deploy": None,
            "x-smartcity.routes.0.service": "web",
        },
        ("ubahsaya", "redis://:kata", "requirepass kata"),
    ),
    Foreign(
        "rabbitmq",
        """\
services:
  rabbitmq:
    image: rabbitmq:3.13-management
    hostname: rabbit1
    environment:
      RABBITMQ_DEFAULT_USER: app
      RABBITMQ_DEFAULT_PASS: kelinci-contoh
      RABBITMQ_ERLANG_COOKIE: KUEKUEKUEKUE
    ports: ["5672:5672", "15672:15672"]
    volumes:
      - type: volume
        source: rabbit
        target: /var/lib/rabbitmq
        volume: {nocopy: true}
      - type: tmpfs
        target: /tmp
        tmpfs: {size: 1048576}
    healthcheck:
      test: rabbitmq-diagnostics -q ping
volumes:
  rabbit:
""",
        (
            ("secret", "RABBITMQ_DEFAULT_PASS", 7),
            ("secret", "RABBITMQ_ERLANG_COOKIE", 8),
            ("note", "no route", 0),
            ("dropped", "port 15672", 9),
        ),
        {
            "services.rabbitmq.volumes": [
                "rabbit:/var/lib/rabbitmq",
                {"type": "tmpfs", "target": "/tmp", "tmpfs": {"size": 1048576}},
            ],
            "services.rabbitmq.secrets": ["rabbitmq_default_pass", "rabbitmq_erlang_cookie"],
            "x-smartcity.routes": [],
            "x-smartcity.requires": None,
        },
        ("kelinci-contoh", "KUEKUE"),
    ),
    Foreign(
        "elasticsearch",
        """\
services:
  es01:
    image: docker.elastic.co/elasticsearch/elasticsearch:${STACK_VERSION}
    environment:
      - discovery.type=single-node
      - ELASTIC_PASSWORD=${ELASTIC_PASSWORD}
      - bootstrap.memory_lock=true
      - "ES_JAVA_OPTS=-Xms512m -Xmx512m"
    mem_limit: ${MEM_LIMIT}
    ulimits:
      memlock: {soft: -1, hard: -1}
    volumes: [esdata01:/usr/share/elasticsearch/data]
    ports: ["${ES_PORT}:9200"]
  kibana:
    image: docker.elastic.co/kibana/kibana:${STACK_VERSION}
    ports: ["5601:5601"]
    depends_on: {es01: {condition: service_started, restart: true}}
volumes: {esdata01: {driver: local}}
""",
        (("secret", "ELASTIC_PASSWORD", 6),),
        {
            "services.es01.image": "docker.elastic.co/elasticsearch/elasticsearch:8.14.3",
            "services.es01.deploy.resources.limits.memory": "1073741824",
            "services.es01.ulimits.memlock": {"soft": -1, "hard": -1},
            "services.kibana.depends_on": ["es01"],
            "x-smartcity.version": "8.14.3",
            "x-smartcity.routes.0.service": "kibana",
        },
        ("elastis-sekali",),
        {
            ".env": "STACK_VERSION=8.14.3\nELASTIC_PASSWORD=elastis-sekali\nMEM_LIMIT=1073741824\n"
            "ES_PORT=127.0.0.1:9200\n"
        },
    ),
    Foreign(
        "gpu",
        """\
services:
  ollama:
    image: ollama/ollama:0.3.0
    runtime: nvidia
    ports: ["11434:11434"]
    volumes: [ollama:/root/.ollama]
    deploy:
      resources:
        limits: {memory: 8G, cpus: 4.0, pids: 200}
        reservations:
          memory: 16G
          devices:
            - driver: nvidia
              count: 1
              capabilities: [gpu]
volumes: {ollama: }
""",
        (
            ("dropped", "“devices” cannot be reserved", 12),
            ("dropped", "“runtime”", 4),
            ("changed", "reserves more “memory”", 11),
        ),
        {
            "services.ollama.deploy.resources": {
                "limits": {"memory": "8G", "cpus": "4.0"},
                "reservations": {"memory": "8G"},
            },
        },
    ),
    Foreign(
        "rumah-pintar",
        """\
services:
  homeassistant:
    container_name: homeassistant
    image: "ghcr.io/home-assistant/home-assistant:stable"
    volumes:
      - /PATH_TO_YOUR_CONFIG:/config
      - /etc/localtime:/etc/localtime:ro
      - /run/dbus:/run/dbus:ro
    restart: unless-stopped
    privileged: true
    network_mode: host
    cap_add: [NET_ADMIN, NET_RAW]
    environment: {TZ: "${TZ}"}
""",
        (
            ("missing", "names no version", 4),
            ("dropped", "network_mode", 11),
            ("note", "capabilities", 12),
            ("dropped", "the server's own /run/dbus", 8),
        ),
        {
            "services.homeassistant.environment.TZ": "Asia/Jakarta",
            "services.homeassistant.cap_add": ["NET_ADMIN", "NET_RAW"],
            "services.homeassistant.network_mode": None,
            "services.homeassistant.volumes": ["homeassistant-config:/config"],
        },
    ),
    Foreign(
        "warisan",
        """\
services:
  base:
    image: contoh/dasar:1.0
    environment: {LOG: info, MODE: base}
    volumes: [data:/data]
    profiles: [never]
  web:
    extends: base
    environment: {MODE: web}
    ports: ["8000:8000"]
  tugas:
    extends: {file: common.yml, service: task}
    volumes: [data:/data]
  hilang:
    image: contoh/hilang:1.0
    extends: {file: ../other.yml, service: x}
volumes: {data: {}}
""",
        (
            ("changed", "what it extends is written out", 8),
            ("dropped", "extends “x”, which was not found", 16),
            ("dropped", "“base” starts only with a profile", 2),
        ),
        {
            "services.web.image": "contoh/dasar:1.0",
            "services.web.environment": {"LOG": "info", "MODE": "web"},
            "services.web.volumes": ["data:/data"],
            "services.tugas.command": "run",
            "services.base": None,
        },
        (),
        {"common.yml": "services: {task: {image: contoh/tugas:2.0, command: run}}\n"},
    ),
    Foreign(
        "yaml-lama",
        """\
version: 2.4
services:
  web:
    image: contoh/web:1.10
    ports:
      - 22:22
      - 8080:80/tcp
      - 53:53/udp
      - 3000-3005:3000-3005
      - {target: 9443, published: "9443", mode: host}
    environment:
      ENABLED: yes
      COUNTRY: NO
      MODE: 0644
      DATE: 2024-01-01
      RATE: 1.50
      EMPTY:
      FLAG: true
    restart: "no"
    stop_grace_period: 1m30s
    init: true
    tty: false
""",
        (
            ("dropped", "port 22 (tcp)", 6),
            ("dropped", "port 53 (udp)", 8),
            ("dropped", "port 3000 (tcp)", 9),
            ("missing", "“EMPTY” came from the shell", 17),
        ),
        {
            "services.web.environment": {
                "ENABLED": "yes",
                "COUNTRY": "NO",
                "MODE": "0644",
                "DATE": "2024-01-01",
                "RATE": "1.5",
                "FLAG": "true",
            },
            "services.web.deploy.restart_policy.condition": "none",
            "services.web.stop_grace_period": "1m30s",
            "x-smartcity.routes.0.port": 80,
        },
    ),
    Foreign(
        "rahasia",
        """\
services:
  app:
    image: contoh/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
    secrets:
      - db-password
      - source: token
        target: /etc/app/token
        mode: 0440
    configs:
      - source: app.conf
        target: /etc/app.conf
    environment:
      DB_PASSWORD_FILE: /run/secrets/db-password
secrets:
  db-password:
    file: ./db_password.txt
  token:
    external: true
configs:
  app.conf:
    content: |
      debug = false
""",
        (
            ("missing", "names no version", 3),
            ("dropped", "configuration “app.conf”", 10),
        ),
        {
            "services.app.secrets": [
                {"source": "db_password", "target": "db-password"},
                {"source": "token", "target": "/etc/app/token"},
            ],
            "secrets": {
                "db_password": {"file": "./secrets/db_password"},
                "token": {"file": "./secrets/token"},
            },
            "services.app.environment.DB_PASSWORD_FILE": "/run/secrets/db-password",
            "configs": None,
        },
    ),
    Foreign(
        "casaos",
        """\
name: gitea
services:
  gitea:
    image: gitea/gitea:1.18.5
    deploy:
      resources:
        reservations:
          memory: 256M
    network_mode: bridge
    ports:
      - target: 22
        published: "222"
        protocol: tcp
      - target: 3000
        published: "3001"
        protocol: tcp
    restart: unless-stopped
    volumes:
      - type: bind
        source: /DATA/AppData/$AppID/data
        target: /data
    x-casaos:
      ports:
        - container: "3000"
          description: {en_us: WebUI Port}
x-casaos:
  architectures: [amd64, arm64, arm]
  main: gitea
  port_map: "3001"
  developer: Gitea
  tagline:
    en_us: Git with a cup of tea
    id_id: Git dengan secangkir teh
  title: {en_us: Gitea}
""",
        (("note", "CasaOS", 26), ("changed", "became the volume “gitea-data”", 19)),
        {
            "x-smartcity.title.en": "Gitea",
            "x-smartcity.summary": {
                "id": "Git dengan secangkir teh",
                "en": "Git with a cup of tea",
            },
            "x-smartcity.architectures": ["amd64", "arm64"],
            "x-smartcity.routes.0.port": 3000,
            "services.gitea.deploy.resources.reservations.memory": "256M",
            "services.gitea.x-casaos": None,
        },
    ),
    Foreign(
        "umbrel",
        """\
version: "3.7"

services:
  app_proxy:
    environment:
      APP_HOST: nextcloud_web_1
      APP_PORT: 80
      PROXY_AUTH_ADD: "false"
  db:
    image: mariadb:10.6.21@sha256:8a16204dc96c08ed0ee2c52c0f9324aa5d2dd0e43ad23a471d447a39f75765b5
    user: "1000:1000"
    restart: on-failure
    volumes:
      - ${APP_DATA_DIR}/data/db:/var/lib/mysql
    environment:
      - MYSQL_ROOT_PASSWORD=uang-mesin
  web:
    image: nextcloud:31.0.8-apache
    volumes:
      - ${APP_DATA_DIR}/data/nextcloud:/var/www/html
    environment:
      - NEXTCLOUD_ADMIN_PASSWORD=${APP_PASSWORD}
      - TRUSTED_PROXIES=${NETWORK_IP}/16
""",
        (
            ("changed", "store's own proxy", 4),
            ("changed", "the digest is left out", 10),
            ("missing", "${NETWORK_IP}", 23),
            ("note", "umbrel-app.yml of Umbrel", 0),
        ),
        {
            "services.app_proxy": None,
            "services.db.image": "mariadb:10.6.21",
            "services.web.environment.TRUSTED_PROXIES": "TO-FILL-IN/16",
            "services.web.volumes": ["web-html:/var/www/html"],
            "x-smartcity.routes.0.service": "web",
            "x-smartcity.title.en": "Nextcloud",
            "x-smartcity.version": "31.0.8",
        },
        ("uang-mesin",),
        {"umbrel-app.yml": "manifestVersion: 1\nid: nextcloud\nname: Nextcloud\ntagline: Files\n"},
    ),
    Foreign(
        "runtipi",
        """\
services:
  myapp:
    image: contoh/myapp:2.3.4
    volumes:
      - ${APP_DATA_DIR}/data:/data
    environment:
      - FOO=bar
      - PASSWORD=${MYAPP_PASSWORD}
    x-runtipi:
      is_main: true
      internal_port: 4180
  cache:
    image: redis:7.2
x-runtipi:
  schema_version: 2
""",
        (("note", "config.json of Runtipi", 0), ("secret", "“PASSWORD”", 8)),
        {
            "x-smartcity.routes.0.port": 4180,
            "x-smartcity.title.en": "My App",
            "services.myapp.secrets": ["myapp_password"],
        },
        (),
        {"config.json": '{"name": "My App", "id": "myapp", "short_desc": "An app", "port": 8080}'},
    ),
    Foreign(
        "cosmos",
        """\
{
  "cosmos-installer": {"form": []},
  "minVersion": "11.0.0",
  "services": {
    "{ServiceName}": {
      "image": "codeberg.org/forgejo/forgejo:11.0.2",
      "container_name": "{ServiceName}",
      "restart": "unless-stopped",
      "environment": ["TZ=auto", "FORGEJO__database__PASSWD={Passwords.0}"],
      "labels": {"cosmos-auto-update": "true"},
      "volumes": [{"source": "{ServiceName}-data", "target": "/data", "type": "volume"}],
      "routes": [{"name": "{ServiceName}", "useHost": true, "mode": "SERVAPP",
                  "target": "http://{ServiceName}:3000"}]
    }
  }
}
""",
        (("dropped", "“cosmos-installer”", 2), ("secret", "FORGEJO__database__PASSWD", 9)),
        {
            "services.cosmos.image": "codeberg.org/forgejo/forgejo:11.0.2",
            "services.cosmos.secrets": ["cosmos_password_0"],
            "x-smartcity.routes.0.port": 3000,
            "volumes.cosmos-data": {},
        },
    ),
    Foreign(
        "jaringan",
        """\
name: jaringan
services:
  front:
    image: nginx:1.27.0
    expose: ["80"]
    environment: [VIRTUAL_HOST=app.example, VIRTUAL_PORT=80]
    networks:
      luar:
        aliases: [situs]
      dalam:
        ipv4_address: 172.20.0.10
  back:
    image: contoh/back:1.0
    networks: [dalam]
    shm_size: 128m
    security_opt: ["no-new-privileges:true"]
    extra_hosts: ["host.docker.internal:host-gateway"]
    sysctls: {net.core.somaxconn: 1024}
    logging: {driver: syslog, options: {syslog-address: "tcp://10.0.0.1:514"}}
networks:
  luar:
    driver: bridge
  dalam:
    internal: true
    ipam: {config: [{subnet: 172.20.0.0/16}]}
""",
        (
            ("dropped", "fixed addresses", 10),
            ("dropped", "how the network “dalam” is built", 23),
            ("changed", "shm_size is a tmpfs", 15),
            ("dropped", "“security_opt”", 16),
        ),
        {
            "services.front.networks": {"luar": {"aliases": ["situs"]}, "dalam": {}},
            "networks": {"luar": {}, "dalam": {"internal": True}},
            "services.back.volumes": [
                {"type": "tmpfs", "target": "/dev/shm", "tmpfs": {"size": 134217728}}
            ],
            "services.back.sysctls": {"net.core.somaxconn": 1024},
            "x-smartcity.routes.0.service": "front",
        },
    ),
    Foreign(
        "paling-lama",
        """\
web:
  image: contoh/web:0.9
  ports: ["80:8000"]
  links: [db]
  log_driver: syslog
db:
  image: postgres:9.6
  net: host
""",
        (("dropped", "“log_driver”", 5), ("dropped", "“net”", 8)),
        {"services.web.image": "contoh/web:0.9", "x-smartcity.routes.0.port": 8000},
    ),
    Foreign(
        "lengkap",
        """\
services:
  layanan:
    image: contoh/layanan:3.2.1
    user: "10001:10001"
    read_only: true
    cap_drop: [ALL]
    stop_grace_period: 30s
    ports:
      - target: 8000
        published: 80
    volumes:
      - data:/data
    healthcheck:
      test: [CMD, curl, -f, "http://localhost:8000/healthz"]
    deploy:
      resources:
        limits: {cpus: "0.50", memory: 192M}
        reservations: {cpus: "0.05", memory: 64M}
      restart_policy: {condition: any, delay: 2s}
volumes:
  data: {}
""",
        (("changed", "port 8000 is reached", 9),),
        {
            "services.layanan.read_only": True,
            "services.layanan.cap_drop": ["ALL"],
            "services.layanan.deploy.resources.reservations": {"cpus": "0.05", "memory": "64M"},
            "services.layanan.deploy.restart_policy": {"condition": "any", "delay": "2s"},
            "x-smartcity.routes.0.health": "/lengkap/healthz",
            "x-smartcity.version": "3.2.1",
        },
    ),
]
