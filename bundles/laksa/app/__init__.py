"""LAKSA: citizens' complaints. A reference implementation; what it serves is in `app.web`."""

from pathlib import Path

from layanan.config import Service

SERVICE = Service(
    name="laksa",
    title="LAKSA",
    here=Path(__file__).parent,
    defaults={
        "officer_user": "petugas",
        "contact": "",
        "max_upload_mib": 5,
        "categories": [
            "Jalan dan jembatan",
            "Sampah dan kebersihan",
            "Drainase dan banjir",
            "Penerangan jalan",
            "Ketertiban umum",
            "Pelayanan pemerintah",
            "Lainnya",
        ],
    },
)
