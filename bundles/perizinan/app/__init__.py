"""Perizinan Online: permit applications. A reference implementation; pages are in `app.web`."""

from pathlib import Path

from layanan.config import Service

SERVICE = Service(
    name="perizinan",
    title="Perizinan Online",
    here=Path(__file__).parent,
    defaults={
        "officer_user": "petugas",
        "contact": "",
        "max_upload_mib": 5,
        "permit_types": [
            {
                "code": "reklame",
                "name": "Izin pemasangan reklame",
                "documents": "KTP, gambar dan ukuran reklame",
            },
            {
                "code": "keramaian",
                "name": "Rekomendasi kegiatan keramaian",
                "documents": "KTP, denah lokasi",
            },
            {
                "code": "praktik",
                "name": "Izin praktik tenaga kesehatan",
                "documents": "KTP, surat tanda registrasi",
            },
        ],
    },
)
