"""Siap Kerja: vacancies and job seekers. A reference implementation; pages are in `app.web`."""

from pathlib import Path

from layanan.config import Service

SERVICE = Service(
    name="siap-kerja",
    title="Siap Kerja",
    here=Path(__file__).parent,
    defaults={
        "officer_user": "petugas",
        "contact": "",
        "max_upload_mib": 5,
        "sectors": [
            "Industri",
            "Perdagangan",
            "Jasa",
            "Konstruksi",
            "Pendidikan",
            "Kesehatan",
            "Lainnya",
        ],
    },
)
