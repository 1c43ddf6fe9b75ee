"""e-Surat: incoming letters and disposition. A reference implementation; pages in `app.web`."""

from pathlib import Path

from layanan.config import Service

SERVICE = Service(
    name="e-surat",
    title="e-Surat",
    here=Path(__file__).parent,
    defaults={
        "officer_user": "petugas",
        "contact": "",
        "max_upload_mib": 5,
        "units": [
            "Sekretariat",
            "Bagian Umum",
            "Bagian Hukum",
            "Bagian Organisasi",
            "Bidang Informatika",
        ],
    },
)
