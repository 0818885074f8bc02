"""How much is found of text that is no ordinary line, and of ordinary lines that nothing was tuned on.

    python -m tests.benchmarks.burned_in_kinds [--set SET] [--images N] [KIND ...]

Other scripts, small letters in large pictures, turned and upright lines, months, years and ages, names of two letters,
and text of a single frame or that moves through a loop. Drawn and counted as in :mod:`tests.benchmarks.burned_in`.
Each set has its own pictures, fonts, names and seeds: *bench* is what the code was made with, *develop* what changes
are tried on, *unseen* and, after it, *last*, *fresh*, *next*, *later*, *latest*, *newest*, *untried* and *unopened*
what is run when a change is done, and never before.
Prints a Markdown table.
The fonts of all but *bench* are Debian's fonts-liberation, fonts-noto-core; fonts-freefont-ttf, fonts-hosny-amiri,
culmus, fonts-roboto-unhinted, fonts-open-sans, fonts-inconsolata, fonts-kacst;
fonts-farsiweb, fonts-sil-scheherazade, fonts-hosny-thabit; fonts-arabeyes; fonts-lato, fonts-hack, fonts-paratype,
fonts-crosextra-carlito, fonts-sil-lateef; fonts-urw-base35.
"""

from __future__ import annotations

import argparse
import functools
import os
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tests.benchmarks.burned_in import FAMILY, FONTS, GIVEN, PLACES, Kind, draw, identifiers, measured
from tests.benchmarks.images import Background, backgrounds

Ink = NDArray[np.float32]
Random = np.random.Generator
DEBIAN = Path("/usr/share/fonts")


class Stock(NamedTuple):
    """What one set writes, and in which fonts; ``scripts`` are names that are common where the script is."""

    fonts: list[Path]
    named: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]
    scripts: dict[str, tuple[str, ...]]
    dates: tuple[str, ...]
    ages: tuple[str, ...]
    short: tuple[str, ...]
    of_short: dict[str, str]


def _fonts(folders: str, names: str) -> list[Path]:
    return [DEBIAN / folder / name for folder in folders.split() for name in names.split()]


STOCKS = {
    "bench": Stock(
        FONTS,
        (FAMILY, GIVEN, PLACES),
        {
            "Cyrillic": ("Кузнецова Ирина", "Иванов", "Петренко Олег Ильич", "Шевченко А.П."),
            "Arabic": ("محمد عبد الله", "فاطمة الزهراء حسن", "خالد"),
            "Hebrew": ("דוד כהן", "מרים לוי"),
            "Armenian, Georgian, Greek": ("Արամ Պետրոսյան", "ნინო ბერიძე", "Παπαδόπουλος Γιώργος"),
        },
        ("03/1961", "MAR 1961", "11.1958", "born 1958", "YOB 1947", "SEP-1972"),
        ("93Y", "Age 91", "97 yrs", "094Y", "age: 102"),
        ("LI BO", "Bo Li", "JK", "LI"),
        {"PatientName": "Li^Bo", "OperatorsName": "JK"},
    ),
    "develop": Stock(
        _fonts(
            "truetype/liberation",
            "LiberationSans-Regular.ttf LiberationSans-Bold.ttf LiberationMono-Regular.ttf LiberationSerif-Regular.ttf",
        )
        + _fonts(
            "truetype/noto",
            "NotoSans-Regular.ttf NotoSansArabic-Regular.ttf NotoNaskhArabic-Regular.ttf NotoSansHebrew-Regular.ttf "
            "NotoSerif-Regular.ttf NotoSansArmenian-Regular.ttf NotoSansGeorgian-Regular.ttf",
        ),
        (
            ("Hollerbusch", "Nakamatsu", "Featherby", "Oduyemi", "Castellvi", "Wroblanski"),
            ("Leopold", "Henrike", "Beatrix", "Cornelius", "Yasmina"),
            ("Klinik Birkental", "Westmarsh Infirmary", "Lakeside Children's Hospital"),
        ),
        {
            "Cyrillic": ("Морозов Антон", "Соколова", "Бондаренко Ганна", "Лебедев К.М."),
            "Arabic": ("يوسف إبراهيم", "مريم سعيد الحسيني", "عمر", "زينب علي"),
            "Hebrew": ("יוסף מזרחי", "שרה פרץ", "אברהם"),
            "Armenian, Georgian, Greek": ("Գևորգ Սարգսյան", "გიორგი მაისურაძე", "Νικολάου Ελένη"),
        },
        ("07/1954", "JUN 1949", "02.1963", "geb. 1951", "YOB: 1939", "OCT-1968"),
        ("91Y", "Age: 95", "90 yrs", "101Y", "92 y/o"),
        ("WU XI", "Xi Wu", "TB", "WU"),
        {"PatientName": "Wu^Xi", "OperatorsName": "TB"},
    ),
    "unseen": Stock(
        _fonts("truetype/freefont", "FreeSans.ttf FreeSansBold.ttf FreeMono.ttf FreeSerif.ttf")
        + _fonts("truetype/roboto/unhinted/RobotoTTF", "Roboto-Regular.ttf Roboto-Light.ttf")
        + _fonts("truetype/open-sans", "OpenSans-Regular.ttf OpenSans-Semibold.ttf")
        + _fonts("truetype/inconsolata", "Inconsolata.otf")
        + _fonts("opentype/fonts-hosny-amiri", "Amiri-Regular.ttf")
        + _fonts("truetype/kacst", "KacstBook.ttf KacstOffice.ttf")
        + _fonts("truetype/culmus", "MiriamCLM-Book.ttf FrankRuehlCLM-Medium.ttf NachlieliCLM-Bold.otf"),
        (
            ("Thistlewick", "Amaranov", "Kirschenlohr", "Mbekani", "Villaseca", "Grunwaldsen"),
            ("Aurelia", "Bartholomew", "Sunniva", "Theodora", "Ruprecht"),
            ("Hospital Santa Rufina", "Eastmoor General", "St. Alban Klinik"),
        ),
        {
            "Cyrillic": ("Васильева Нина", "Козлов", "Мельник Тарас", "Орлова Е.В."),
            "Arabic": ("حسين كريم", "ليلى محمود الشامي", "سالم", "نور الدين"),
            "Hebrew": ("משה ביטון", "רחל אזולאי", "יעקב"),
            "Armenian, Georgian, Greek": ("Անահիտ Հակոբյան", "თამარ გელაშვილი", "Δημητρίου Σοφία"),
        },
        ("09/1946", "DEC 1952", "05.1957", "born 1944", "YOB 1938", "FEB-1971"),
        ("94Y", "Age 98", "93 yrs", "097Y", "age: 91"),
        ("HO YU", "Yu Ho", "DM", "HO"),
        {"PatientName": "Ho^Yu", "OperatorsName": "DM"},
    ),
    "last": Stock(
        _fonts("truetype/dejavu", "DejaVuSansCondensed.ttf DejaVuSerifCondensed.ttf")
        + _fonts("truetype/freefont", "FreeSansOblique.ttf FreeMonoBold.ttf FreeSerifBold.ttf")
        + _fonts("truetype/open-sans", "OpenSans-Light.ttf OpenSans-CondBold.ttf")
        + _fonts("truetype/farsiweb", "homa.ttf nazli.ttf titr.ttf")
        + _fonts("truetype/scheherazade", "Scheherazade-Regular.ttf")
        + _fonts("opentype/fonts-hosny-thabit", "Thabit.ttf")
        + _fonts("truetype/culmus", "HadasimCLM-Regular.ttf DavidCLM-Medium.otf MiriamMonoCLM-Book.ttf"),
        (
            ("Ravensbourne", "Yamashiro", "Pfefferkorn", "Adeleke", "Montenegrin", "Halvorsson"),
            ("Clementine", "Augustin", "Rosalind", "Tiberius", "Marguerite"),
            ("Clinica Santa Odila", "Northgate Memorial", "St. Wendelin Krankenhaus"),
        ),
        {
            "Cyrillic": ("Фёдорова Анна", "Новиков", "Коваленко Юрий", "Зайцев Д.О."),
            "Arabic": ("أحمد صالح", "سارة عبد الرحمن", "هدى", "طارق المصري"),
            "Hebrew": ("אבי פרידמן", "נועה שפירא", "שלמה"),
            "Armenian, Georgian, Greek": ("Տիգրան Մանուկյան", "ლევან კაპანაძე", "Αντωνίου Μαρία"),
        },
        ("04/1951", "AUG 1948", "10.1960", "born 1936", "YOB 1943", "JAN-1966"),
        ("95Y", "Age 93", "91 yrs", "099Y", "age: 96"),
        ("XU MO", "Mo Xu", "RK", "XU"),
        {"PatientName": "Xu^Mo", "OperatorsName": "RK"},
    ),
    "fresh": Stock(
        _fonts("truetype/noto", "NotoSansDisplay-Regular.ttf NotoSerifDisplay-Regular.ttf")
        + _fonts("truetype/freefont", "FreeMonoOblique.ttf")
        + _fonts("truetype/liberation", "LiberationSansNarrow-Regular.ttf LiberationMono-Bold.ttf")
        + _fonts("truetype/dejavu", "DejaVuSans-ExtraLight.ttf DejaVuSansMono-Bold.ttf")
        + _fonts("truetype/noto", "NotoKufiArabic-Regular.ttf NotoNaskhArabic-Bold.ttf NotoSerifHebrew-Regular.ttf")
        + _fonts("truetype/noto", "NotoSerifArmenian-Regular.ttf NotoSerifGeorgian-Regular.ttf")
        + _fonts("truetype/kacst", "KacstNaskh.ttf KacstTitle.ttf")
        + _fonts("truetype/fonts-arabeyes", "ae_AlArabiya.ttf ae_Khalid.ttf ae_Salem.ttf")
        + _fonts("truetype/culmus", "KeterYG-Medium.ttf SimpleCLM-Medium.ttf ShofarRegular.ttf"),
        (
            ("Quennerstedt", "Abernethy", "Takahara", "Mwangi-Lowe", "Bouchardier", "Zielonka"),
            ("Evangeline", "Cassius", "Ottoline", "Demetrius", "Wilhelmina"),
            ("Clinique Saint-Amour", "Southfield Children's", "Klinikum Rosenau"),
        ),
        {
            "Cyrillic": ("Григорьева Ольга", "Павлов", "Савченко Игорь", "Титова Л.Н."),
            "Arabic": ("خديجة منصور", "عبد العزيز الفهد", "علي", "ياسمين قاسم"),
            "Hebrew": ("דניאל אוחיון", "תמר גבאי", "אסתר"),
            "Armenian, Georgian, Greek": ("Նարեկ Գրիգորյան", "ქეთევან ლომიძე", "Οικονόμου Πέτρος"),
        },
        ("02/1949", "SEP 1955", "12.1942", "born 1950", "YOB 1945", "MAY-1962"),
        ("96Y", "Age 92", "95 yrs", "098Y", "age: 94"),
        ("JI LU", "Lu Ji", "BN", "JI"),
        {"PatientName": "Ji^Lu", "OperatorsName": "BN"},
    ),
    "next": Stock(
        _fonts("truetype/noto", "NotoSans-Bold.ttf NotoSansDisplay-Bold.ttf NotoSerif-Italic.ttf NotoSerif-Bold.ttf")
        + _fonts("truetype/liberation", "LiberationSans-Italic.ttf LiberationSerif-Bold.ttf")
        + _fonts("truetype/dejavu", "DejaVuSans-Oblique.ttf DejaVuSansCondensed-Bold.ttf")
        + _fonts("truetype/noto", "NotoKufiArabic-Bold.ttf NotoSansArabic-Bold.ttf NotoSansHebrew-Bold.ttf")
        + _fonts("truetype/noto", "NotoSansArmenian-Bold.ttf NotoSansGeorgian-Bold.ttf NotoSerifHebrew-Bold.ttf")
        + _fonts("opentype/fonts-hosny-amiri", "Amiri-Bold.ttf")
        + _fonts("truetype/farsiweb", "nazlib.ttf")
        + _fonts("truetype/fonts-arabeyes", "ae_Arab.ttf ae_Hor.ttf ae_Nice.ttf")
        + _fonts("truetype/culmus", "DavidCLM-Bold.otf FrankRuehlCLM-Bold.ttf NachlieliCLM-Light.otf"),
        (
            ("Vandersteen", "Hashimoto", "Okoronkwo", "Brandstaetter", "Lillywhite", "Svendborg"),
            ("Isadora", "Leander", "Philomena", "Anselm", "Rosamund"),
            ("Hopital Sainte-Colombe", "Riverbend County", "Klinikum Hochwald"),
        ),
        {
            "Cyrillic": ("Степанова Вера", "Орлов", "Гончаренко Павло", "Белова С.К."),
            "Arabic": ("عائشة الخطيب", "محمود درويش الحلبي", "حسن", "رانيا جابر"),
            "Hebrew": ("יונתן מלכה", "הדס ברקוביץ", "חנה"),
            "Armenian, Georgian, Greek": ("Հայկ Ավետիսյան", "მარიამ ჯაფარიძე", "Βασιλείου Ανδρέας"),
        },
        ("06/1947", "NOV 1953", "08.1944", "born 1939", "YOB 1949", "APR-1965"),
        ("92Y", "Age 97", "94 yrs", "095Y", "age: 99"),
        ("FU KE", "Ke Fu", "HP", "FU"),
        {"PatientName": "Fu^Ke", "OperatorsName": "HP"},
    ),
    "later": Stock(
        _fonts("truetype/noto", "NotoSans-Italic.ttf NotoSansDisplay-Italic.ttf NotoSerif-BoldItalic.ttf")
        + _fonts("truetype/liberation", "LiberationSans-BoldItalic.ttf LiberationSansNarrow-Bold.ttf")
        + _fonts("truetype/liberation", "LiberationMono-Italic.ttf LiberationSerif-Italic.ttf")
        + _fonts("truetype/freefont", "FreeSansBoldOblique.ttf FreeSerifItalic.ttf FreeMonoBoldOblique.ttf")
        + _fonts("truetype/dejavu", "DejaVuSerif-Italic.ttf DejaVuSansMono-Oblique.ttf DejaVuSerif-Bold.ttf")
        + _fonts("truetype/noto", "NotoSansArmenian-Regular.ttf NotoSerifArmenian-Bold.ttf")
        + _fonts("truetype/noto", "NotoSansGeorgian-Regular.ttf NotoSerifGeorgian-Bold.ttf NotoSerifHebrew-Bold.ttf")
        + _fonts("truetype/kacst", "KacstFarsi.ttf KacstScreen.ttf KacstQurn.ttf")
        + _fonts("truetype/fonts-arabeyes", "ae_Cortoba.ttf ae_AlHor.ttf ae_Tholoth.ttf ae_Furat.ttf")
        + _fonts("truetype/culmus", "HadasimCLM-Bold.ttf MiriamCLM-Bold.ttf KeterYG-Bold.ttf SimpleCLM-Bold.ttf"),
        (
            ("Thorvaldsen", "Ishikawa", "Nwachukwu", "Oberhauser", "Winterbourne", "Castelnuovo"),
            ("Serafina", "Thelonius", "Griselda", "Lysander", "Millicent"),
            ("Hospital San Telmo", "Greenhollow Medical", "Klinikum Seeblick"),
        ),
        {
            "Cyrillic": ("Михайлова Дарья", "Егоров", "Ткаченко Богдан", "Жукова П.Р."),
            "Arabic": ("سلمى الأنصاري", "عبد الكريم يوسف النجار", "بدر", "هالة منير"),
            "Hebrew": ("איתן רוזנברג", "גילה סבן", "מנחם"),
            "Armenian, Georgian, Greek": ("Սիրանուշ Դավթյան", "ვახტანგ ჩხეიძე", "Καραγιάννη Ειρήνη"),
        },
        ("05/1948", "FEB 1951", "11.1949", "born 1937", "YOB 1952", "DEC-1963"),
        ("93Y", "Age 96", "92 yrs", "091Y", "age: 95"),
        ("YE ZU", "Zu Ye", "WG", "YE"),
        {"PatientName": "Ye^Zu", "OperatorsName": "WG"},
    ),
    "latest": Stock(
        _fonts("truetype/noto", "NotoSans-BoldItalic.ttf NotoSerifDisplay-Bold.ttf NotoSerifDisplay-Italic.ttf")
        + _fonts("truetype/liberation", "LiberationMono-BoldItalic.ttf LiberationSansNarrow-Italic.ttf")
        + _fonts("truetype/freefont", "FreeSerifBoldItalic.ttf")
        + _fonts("truetype/dejavu", "DejaVuSans-BoldOblique.ttf DejaVuSansCondensed-Oblique.ttf")
        + _fonts("truetype/roboto/unhinted/RobotoTTF", "Roboto-Medium.ttf Roboto-BoldItalic.ttf")
        + _fonts("truetype/open-sans", "OpenSans-Bold.ttf OpenSans-Italic.ttf")
        + _fonts("opentype/fonts-hosny-amiri", "Amiri-Slanted.ttf")
        + _fonts("opentype/fonts-hosny-thabit", "Thabit-Bold.ttf")
        + _fonts("truetype/kacst", "KacstLetter.ttf KacstPoster.ttf")
        + _fonts("truetype/fonts-arabeyes", "ae_Granada.ttf ae_AlYarmook.ttf")
        + _fonts("truetype/culmus", "DavidCLM-MediumItalic.otf MiriamMonoCLM-Bold.ttf ShofarDemi-Bold.ttf")
        + _fonts("truetype/culmus", "FrankRuehlCLM-MediumOblique.ttf NachlieliCLM-BoldOblique.otf"),
        (
            ("Hollingsworthy", "Matsubayashi", "Adebayo-Finch", "Rosenkranzer", "Eskildsen", "Bellacourt"),
            ("Perpetua", "Octavian", "Sieglinde", "Ambrosius", "Lucasta"),
            ("Hospital Santa Brigida", "Fernhollow Regional", "Klinikum Talblick"),
        ),
        {
            "Cyrillic": ("Никитина Софья", "Громов", "Левченко Остап", "Рябова М.Г."),
            "Arabic": ("نادية العطار", "إسماعيل حمدان القاضي", "وليد", "سميرة فرج"),
            "Hebrew": ("אורי שטרן", "מיכל אדלר", "נחום"),
            "Armenian, Georgian, Greek": ("Արփինե Մելքոնյան", "ზურაბ კვარაცხელია", "Σταματίου Λουκία"),
        },
        ("08/1946", "JUL 1952", "04.1947", "born 1941", "YOB 1936", "OCT-1964"),
        ("97Y", "Age 94", "91 yrs", "096Y", "age: 93"),
        ("WO KI", "Ki Wo", "DL", "WO"),
        {"PatientName": "Wo^Ki", "OperatorsName": "DL"},
    ),
    "newest": Stock(
        _fonts("truetype/lato", "Lato-Regular.ttf Lato-BoldItalic.ttf Lato-Light.ttf")
        + _fonts("truetype/hack", "Hack-Regular.ttf Hack-Bold.ttf")
        + _fonts("truetype/paratype", "PTS55F.ttf PTF75F.ttf PTM55F.ttf PTN57F.ttf")
        + _fonts("truetype/crosextra", "Carlito-Regular.ttf Carlito-Bold.ttf")
        + _fonts("truetype/roboto/unhinted", "RobotoCondensed-Regular.ttf RobotoCondensed-Bold.ttf")
        + _fonts("truetype/dejavu", "DejaVuSansMono-BoldOblique.ttf DejaVuSerifCondensed-Bold.ttf")
        + _fonts("truetype/liberation", "LiberationSerif-BoldItalic.ttf")
        + _fonts("opentype/lateef", "Lateef-Regular.ttf Lateef-Bold.ttf")
        + _fonts("opentype/fonts-hosny-thabit", "Thabit-Oblique.ttf")
        + _fonts("truetype/kacst-one", "KacstOne.ttf KacstOne-Bold.ttf")
        + _fonts("truetype/fonts-arabeyes", "ae_Petra.ttf ae_Tarablus.ttf ae_Dimnah.ttf")
        + _fonts("truetype/culmus", "HadasimCLM-RegularOblique.ttf KeterYG-BoldOblique.ttf SimpleCLM-MediumOblique.ttf")
        + _fonts("truetype/culmus", "DavidCLM-BoldItalic.otf MiriamMonoCLM-BookOblique.ttf"),
        (
            ("Kestelbrook", "Fukuyama", "Oyelaran", "Steinbrecher", "Marchetti-Lund", "Drozdowski"),
            ("Cordelia", "Balthazar", "Eulalia", "Ferdinand", "Ingeborg"),
            ("Hospital Santa Marina", "Stonebridge General", "Klinikum Auenwald"),
        ),
        {
            "Cyrillic": ("Кириллова Мария", "Воробьёв", "Лысенко Роман", "Носова Т.Д."),
            "Arabic": ("جميلة الحداد", "فيصل عبد الله الزهراني", "زيد", "أمينة فؤاد"),
            "Hebrew": ("עמית ברגר", "רונית אלון", "חיים"),
            "Armenian, Georgian, Greek": ("Գայանե Հովհաննիսյան", "თინათინ გოგოლაძე", "Γεωργίου Χρήστος"),
        },
        ("07/1949", "MAY 1950", "10.1943", "born 1938", "YOB 1944", "JUN-1961"),
        ("98Y", "Age 90", "93 yrs", "092Y", "age: 97"),
        ("GU QI", "Qi Gu", "VT", "GU"),
        {"PatientName": "Gu^Qi", "OperatorsName": "VT"},
    ),
    "untried": Stock(
        _fonts(
            "opentype/urw-base35", "NimbusSans-Regular.otf NimbusRoman-Regular.otf NimbusMonoPS-Bold.otf C059-Bold.otf"
        )
        + _fonts(
            "opentype/urw-base35", "P052-Italic.otf URWGothic-Book.otf URWBookman-Demi.otf NimbusSansNarrow-Bold.otf"
        )
        + _fonts("truetype/lato", "Lato-Medium.ttf Lato-Heavy.ttf Lato-Italic.ttf")
        + _fonts("truetype/hack", "Hack-Italic.ttf Hack-BoldItalic.ttf")
        + _fonts("truetype/paratype", "PTS75F.ttf PTF55F.ttf PTM75F.ttf")
        + _fonts("truetype/crosextra", "Carlito-Italic.ttf Carlito-BoldItalic.ttf")
        + _fonts("truetype/roboto/unhinted/RobotoTTF", "Roboto-Bold.ttf Roboto-LightItalic.ttf")
        + _fonts("truetype/open-sans", "OpenSans-SemiboldItalic.ttf OpenSans-ExtraBold.ttf")
        + _fonts("truetype/dejavu", "DejaVuSerif-BoldItalic.ttf DejaVuSansCondensed-BoldOblique.ttf")
        + _fonts("opentype/lateef", "Lateef-Medium.ttf Lateef-SemiBold.ttf")
        + _fonts("opentype/fonts-hosny-thabit", "Thabit-Bold-Oblique.ttf")
        + _fonts("opentype/fonts-hosny-amiri", "Amiri-BoldSlanted.ttf")
        + _fonts("truetype/scheherazade", "Scheherazade-Bold.ttf")
        + _fonts("truetype/kacst", "KacstTitleL.ttf")
        + _fonts("truetype/fonts-arabeyes", "ae_Nada.ttf ae_Rehan.ttf ae_Sharjah.ttf")
        + _fonts("truetype/culmus", "KeterYG-MediumOblique.ttf SimpleCLM-BoldOblique.ttf HadasimCLM-BoldOblique.ttf")
        + _fonts("truetype/culmus", "FrankRuehlCLM-BoldOblique.ttf NachlieliCLM-LightOblique.otf"),
        (
            ("Aldersgate", "Kobayakawa", "Nkemelu", "Weissenborn", "Castellani-Roux", "Wojciechowska"),
            ("Ottilia", "Barnaby", "Clementine", "Leopold", "Solveig"),
            ("Hospital Santa Eulalia", "Ashbourne Memorial", "Klinikum Lindenhof"),
        ),
        {
            "Cyrillic": ("Филиппова Анна", "Соловьёв", "Мельник Тарас", "Зайцева В.Ю."),
            "Arabic": ("ليلى الشريف", "مصطفى كمال الدين حسين", "سعد", "هدى ناصر"),
            "Hebrew": ("נועם פרידמן", "יעל כץ", "שלמה"),
            "Armenian, Georgian, Greek": ("Անահիտ Սարգսյան", "გიორგი მაისურაძე", "Νικολάου Ελένη"),
        },
        ("09/1950", "AUG 1948", "12.1945", "born 1940", "YOB 1951", "MAR-1959"),
        ("99Y", "Age 95", "96 yrs", "090Y", "age: 92"),
        ("XU NA", "Na Xu", "CM", "XU"),
        {"PatientName": "Xu^Na", "OperatorsName": "CM"},
    ),
    "unopened": Stock(
        _fonts(
            "opentype/urw-base35",
            "NimbusSans-Bold.otf NimbusRoman-Bold.otf NimbusMonoPS-Regular.otf C059-Roman.otf P052-Roman.otf "
            "URWGothic-Demi.otf URWBookman-Light.otf NimbusSansNarrow-Regular.otf",
        )
        + _fonts("truetype/lato", "Lato-Bold.ttf Lato-Semibold.ttf Lato-LightItalic.ttf")
        + _fonts("truetype/open-sans", "OpenSans-BoldItalic.ttf OpenSans-CondLight.ttf")
        + _fonts("truetype/liberation", "LiberationSansNarrow-BoldItalic.ttf")
        + _fonts("truetype/noto", "NotoSansDisplay-BoldItalic.ttf NotoSerifDisplay-BoldItalic.ttf")
        + _fonts("truetype/dejavu", "DejaVuSerifCondensed-Italic.ttf DejaVuSerifCondensed-BoldItalic.ttf")
        + _fonts("opentype/lateef", "Lateef-Light.ttf Lateef-ExtraBold.ttf")
        + _fonts("truetype/kacst", "KacstPen.ttf mry_KacstQurn.ttf")
        + _fonts("truetype/fonts-arabeyes", "ae_AlBattar.ttf ae_Hani.ttf ae_Nagham.ttf ae_Ouhod-Bold.ttf")
        + _fonts(
            "truetype/culmus", "MiriamMonoCLM-BoldOblique.ttf ShofarDemi-BoldOblique.ttf ShofarRegularOblique.ttf"
        ),
        (
            ("Harrowsmith", "Matsudaira", "Ezekwesili", "Lichtenfels", "Bonaventura-Kay", "Przewoznik"),
            ("Hesperia", "Cuthbert", "Annunziata", "Gottfried", "Ragnhild"),
            ("Hospital Santa Quiteria", "Willowmere District", "Klinikum Steinfeld"),
        ),
        {
            "Cyrillic": ("Тимофеева Алла", "Ковалёв", "Гриценко Павло", "Сорокина Ж.И."),
            "Arabic": ("سعاد البغدادي", "عبد اللطيف حسن المنصوري", "ماجد", "نجلاء رمزي"),
            "Hebrew": ("אלון דהן", "מאיה גולדשטיין", "ברוך"),
            "Armenian, Georgian, Greek": ("Լուսինե Խաչատրյան", "ნათია წერეთელი", "Παππάς Ιωάννης"),
        },
        ("01/1953", "OCT 1947", "06.1941", "born 1935", "YOB 1953", "NOV-1958"),
        ("91Y", "Age 98", "94 yrs", "093Y", "age: 90"),
        ("SU HA", "Ha Su", "RV", "SU"),
        {"PatientName": "Su^Ha", "OperatorsName": "RV"},
    ),
}


@functools.cache
def letters(font: Path) -> frozenset[int]:
    from fontTools.ttLib import TTFont

    return frozenset(TTFont(font).getBestCmap())


def drawn_with(fonts: list[Path]) -> Callable[[str, int, Random], Ink]:
    """Drawn in one of the fonts that have all letters of the line."""

    def drawn(line: str, size: int, random: Random) -> Ink:
        fit = [font for font in fonts if set(map(ord, line)) <= letters(font)]
        return draw(line, size, random, fit)

    return drawn


def of(choices: tuple[str, ...], header: dict[str, str]) -> Callable[[Random], tuple[dict[str, str], list[str]]]:
    """Five of ``choices`` in an image with ``header``."""
    return lambda random: (header, [str(line) for line in random.choice(choices, 5)])


def below_each_other(drawn: Callable[[str, int, Random], Ink]) -> Callable[[str, int, Random], Ink]:
    """The letters of a line below each other."""

    def upright(line: str, size: int, random: Random) -> Ink:
        one = [drawn(letter, size, random) for letter in line if letter != " "]
        width = max(letter.shape[1] for letter in one)
        return np.concatenate([np.pad(letter, ((1, 2), (0, width - letter.shape[1]))) for letter in one])

    return upright


def kinds(stock: Stock) -> dict[str, Kind]:
    """What is drawn of a set, by name."""
    drawn = drawn_with(stock.fonts)
    family, given = stock.named[0][0], stock.named[1][0]
    person = {"PatientName": f"{family}^{given}", "PatientID": "4471902"}
    some, sizes = (10, 12, 14, 16, 20, 24, 32), Kind(identifiers).sizes

    def named(random: Random) -> tuple[dict[str, str], list[str]]:
        return identifiers(random, stock.named)

    return {
        "identifiers": Kind(named, sizes, drawn=drawn),
        **{name: Kind(of(names, person), some, drawn=drawn) for name, names in stock.scripts.items()},
        "6 to 8 pixels in 9 to 16 MP": Kind(named, (6, 7, 8), drawn=drawn),
        "9 to 12 pixels in 9 to 16 MP": Kind(named, (9, 10, 11, 12), drawn=drawn),
        "turned by 90": Kind(named, turned=lambda ink: np.rot90(ink), drawn=drawn),
        "turned by 180": Kind(named, turned=lambda ink: np.rot90(ink, 2), drawn=drawn),
        "turned by 270": Kind(named, turned=lambda ink: np.rot90(ink, 3), drawn=drawn),
        "upright": Kind(
            of((family.upper(), given.upper(), "4471902"), person), (12, 14, 16, 20), drawn=below_each_other(drawn)
        ),
        "months and years": Kind(of(stock.dates, person), sizes, drawn=drawn),
        "ages of 90 and more": Kind(of(stock.ages, person), sizes, drawn=drawn),
        "names of two letters": Kind(of(stock.short, {**person, **stock.of_short}), some, drawn=drawn),
        "one frame of a loop": Kind(named, every=1, drawn=drawn),
        "moving through a loop": Kind(named, every=1, drawn=drawn, moving=2),
        "scrolling through a loop": Kind(named, every=1, drawn=drawn, moving=4),
    }


def stage(which: str, name: str, number: int) -> Background:
    """The picture that a kind is drawn on: all but the loop, the loop, or a large one."""
    *still, loop = backgrounds(which)
    if "loop" in name:
        return loop
    if "MP" in name:
        still = [one for one in still if one.modality in ("MG", "CR", "DX", "XA") and one.pixels.ndim == 3]
        one = still[number % len(still)]
        edge = (3000, 4000)[number % 2]
        large = cv2.resize(one.pixels[0], (edge, edge), interpolation=cv2.INTER_CUBIC)
        return Background(one.modality, large[None], one.header)
    return still[number % len(still)]


def measure(task: tuple[str, str, int]) -> list[dict[str, object]]:
    """In a worker: the rows of an image, with its kind."""
    which, name, number = task
    seed = zlib.crc32((name if which == "bench" else f"{which} {name}").encode()) + number
    background = stage(which, name, number)
    rows = measured(background, seed, kinds(STOCKS[which])[name])
    return [{**row, "drawn": name, "number": number, "pixels": background.size} for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=list(kinds(STOCKS["bench"])), help="some of them")
    parser.add_argument("--set", default="bench", choices=list(STOCKS), dest="which")
    parser.add_argument("--images", type=int, default=20, help="images a kind (20)")
    parser.add_argument("--rows", help="a CSV file that every line and image is written to")
    chosen = parser.parse_args()
    tasks = [(chosen.which, name, number) for name in chosen.kinds for number in range(chosen.images)]
    with ProcessPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        rows = pd.DataFrame([row for part in pool.map(measure, tasks) for row in part])
    if chosen.rows:
        rows.to_csv(chosen.rows, index=False)
    rows["clear"] = rows.contrast.isin(("strong", "medium"))
    lines = rows[rows.kind == "line"]
    print("| kind | strong, medium: lines | told | ≥ 0.9 of the ink in a box | faint | told | CPU s an image |")
    print("|---|---|---|---|---|---|---|")
    for name in [*chosen.kinds, "all"]:
        part = lines[lines.drawn == name] if name != "all" else lines
        seconds = rows[(rows.kind == "image") & ((rows.drawn == name) | (name == "all"))].seconds
        clear, faint = part[part.clear], part[part.contrast == "faint"]
        shares = f"{clear.telling.mean():.3f} | {(clear.found & clear.telling).mean():.3f}"
        print(
            f"| {name} | {len(clear)} | {shares} | {len(faint)} | {faint.telling.mean():.3f} | {seconds.median():.2f} |"
        )


if __name__ == "__main__":
    main()
