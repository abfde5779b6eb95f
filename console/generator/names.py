# ruff: noqa: RUF001 - letters that look like others are what this module is for
"""Invented names of people in many scripts, for generated accounts.

A console for people of all countries must be tested with their names: right to left, without spaces, with diacritics,
of one word, of 300 characters. The lists are short, but their combinations are many.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random

from accounts.names import NAME_LENGTH


@dataclass(frozen=True)
class Name:
    """A person's name as they write it, and in plain Latin letters for their e-mail address."""

    written: str
    given: str
    family: str


@dataclass(frozen=True)
class Language:
    """The names of one language: words separated by white space, each as ``written`` or ``written=latin``."""

    weight: int
    given: str
    family: str
    family_first: bool = False
    joiner: str = " "
    double_names: bool = False  # two family names with a hyphen, an initial in the middle

    def name(self, rng: Random) -> Name:
        """Draw a name in this language."""
        given = rng.choice(_words(self.given))
        family = rng.choice(_words(self.family))
        parts = [family[0], given[0]] if self.family_first else [given[0], family[0]]
        if self.double_names and rng.random() < _HYPHENATED:
            parts[-1] += "-" + rng.choice(_words(self.family))[0]
        if self.double_names and rng.random() < _INITIAL:
            parts.insert(1, rng.choice(_words(self.given))[0][0] + ".")
        return Name(self.joiner.join(parts), given[1], family[1])


_HYPHENATED, _INITIAL = 0.06, 0.2  # shares, of the languages that have them
_SINGLE, _LONG, _LONGEST = 0.015, 0.003, 0.0005  # shares of all names

LANGUAGES = (
    Language(
        330,
        "Olivia James Amelia William Charlotte Henry Isla Thomas Grace Samuel Ruby George Hannah Daniel Alice Peter "
        "Brooke Wesley Imani Tyrone Shanice Malik Aaliyah Kwame Adaeze Chinedu Folake Emeka Wanjiru Otieno Thandiwe "
        "Sipho Lindiwe Zanele Tendai Aroha Wiremu Leilani Kai Nalani",
        "Smith Walker Hughes Bennett Carter Morgan Foster Reed Ward Price Bell Murphy O'Brien O'Connor McAllister "
        "MacLeod FitzGerald Washington Jefferson Okafor Adeyemi Nwosu Mensah Boateng Kamau Odhiambo Dlamini Nkosi Moyo "
        "Ngata Parata Kealoha Null Ng Oh",
        double_names=True,
    ),
    Language(
        110,
        "José María Jesús Lucía Martín Sofía Andrés Inés Raúl Begoña João Conceição Antônio Luísa Simão Iñaki Nuria "
        "Xavier Montserrat Ximena Guillermo Camila Thiago Beatriz",
        "García Fernández López Martínez Peña Núñez Muñoz Ibáñez Gutiérrez Gonçalves Magalhães Conceição Araújo Simões "
        "Oliveira Etxeberria Puig Quiñones Vélez Villaseñor",
        double_names=True,
    ),
    Language(
        90,
        "Zoë Jürgen Günther Käthe Björn Øyvind Søren Mette Åsa Jean-Luc Anne-Marie Hélène François Élodie Noémie "
        "Loïc Maëlys Niccolò Chiara Matteo Lieve Joost Saoirse Niamh Siân Llŷr Þórdís Guðrún Sigríður",
        "Müller Schäfer Weiß Größmann Lindström Ångström Sørensen Ødegård Lefèvre D'Angelo Di-Lorenzo Beauséjour "
        "Çelik Van-der-Berg De-Smedt Ó-Súilleabháin Jónsdóttir Guðmundsson Bæk",
        double_names=True,
    ),
    Language(
        80,
        "Łukasz Małgorzata Zbigniew Grażyna Jiří Kateřina Ondřej Zdeňka Šárka Matej Ľudmila László Zsófia Győző Ágnes "
        "Ștefan Ioana Mădălina Luka Željka Đorđe Nataša Jānis Līga Žydrūnas Rūta Õnne Jaan Päivi Väinö",
        "Wójcik Wiśniewska Dąbrowski Łęcki Brzęczyszczykiewicz Dvořák Novotná Křížová Šťastný Horváth Szabó Nagy Őrsi "
        "Popescu Țăranu Ionescu Kovačević Đurić Bērziņš Kalniņa Žukauskas Mäkelä Hämäläinen Tõnisson",
        double_names=True,
    ),
    Language(
        30,
        "Ayşe Mehmet Gülşen İbrahim Çağla Uğur Işıl Ömer Zeynep Tuğrul",
        "Yılmaz Öztürk Şahin Çakır Doğan Güneş Kılıç Aydın Özdemir Işık",
    ),
    Language(
        40,
        "Ngọc Thị-Hương Văn-Đức Minh Quỳnh Thảo Hải Tuấn Phượng Khánh",
        "Nguyễn Trần Lê Phạm Huỳnh Võ Đặng Bùi Đỗ Hồ",
        family_first=True,
    ),
    Language(
        35,
        "Ελένη=eleni Γιώργος=giorgos Μαρία=maria Κωνσταντίνος=konstantinos Αικατερίνη=aikaterini Νίκος=nikos "
        "Δήμητρα=dimitra Παναγιώτης=panagiotis Ζωή=zoi Άννα=anna",
        "Παπαδόπουλος=papadopoulos Οικονόμου=oikonomou Γεωργίου=georgiou Νικολαΐδης=nikolaidis Χατζηδάκης=chatzidakis "
        "Αγγελοπούλου=angelopoulou Κωστόπουλος=kostopoulos Ξενάκης=xenakis Βλάχος=vlachos",
        double_names=True,
    ),
    Language(
        70,
        "Дмитрий=dmitriy Екатерина=ekaterina Олексій=oleksii Наталія=nataliia Сергей=sergey Ольга=olga Ѓорѓи=gjorgji "
        "Милица=milica Љубица=ljubica Ђорђе=djordje Айгүл=aigul Нұрлан=nurlan Цветана=tsvetana Юлія=yuliia "
        "Алёна=alyona Эльдар=eldar Бат-Эрдэнэ=baterdene",
        "Иванов=ivanov Смирнова=smirnova Шевченко=shevchenko Коваленко=kovalenko Петровић=petrovic Његош=njegosh "
        "Георгиева=georgieva Жуков=zhukov Щербакова=shcherbakova Їжакевич=yizhakevych Єфремов=yefremov Ґалаґан=galagan "
        "Сәрсенбаев=sarsenbayev Ќосев=kjosev Юрченко=yurchenko",
        double_names=True,
    ),
    Language(
        50,
        "محمد=mohammed فاطمة=fatima عبدالرحمن=abdulrahman نور=noor يوسف=yousef مريم=maryam خالد=khaled ليلى=layla "
        "حسين=hussein زينب=zainab عائشة=aisha رضا=reza پریسا=parisa چنگیز=changiz گلنار=golnar",
        "الحداد=alhaddad المصري=almasri بن‌علي=benali الأحمدي=alahmadi الشريف=alsharif القحطاني=alqahtani خوري=khoury "
        "حسین‌پور=hosseinpour ژاله‌زاده=zhalezadeh کریمی=karimi العبدالله=alabdullah",
    ),
    Language(
        25,
        "דוד=david שרה=sarah יוסף=yosef רחל=rachel נעם=noam תמר=tamar אביגיל=avigail צבי=zvi",
        "כהן=cohen לוי=levi מזרחי=mizrahi פרידמן=friedman ביטון=biton אברהם=avraham בן-דוד=bendavid שפירא=shapira",
        double_names=True,
    ),
    Language(
        50,
        "प्रिया=priya अर्जुन=arjun कृष्णमूर्ति=krishnamurthy लक्ष्मी=lakshmi ऋषि=rishi ज्योति=jyoti श्रीनिवास=shrinivas",
        "शर्मा=sharma त्रिपाठी=tripathi अग्रवाल=agrawal श्रेष्ठ=shrestha द्विवेदी=dwivedi पाटील=patil कुलकर्णी=kulkarni",
    ),
    Language(
        10,
        "முத்துலட்சுமி=muthulakshmi கார்த்திக்=karthik செந்தில்=senthil மீனாட்சி=meenakshi",
        "சுப்பிரமணியன்=subramanian இராமசாமி=ramasamy பழனிசாமி=palanisamy",
    ),
    Language(
        10,
        "অনির্বাণ=anirban শ্রেয়সী=shreyasi তাহমিনা=tahmina রফিকুল=rafiqul",
        "চট্টোপাধ্যায়=chattopadhyay বন্দ্যোপাধ্যায়=bandyopadhyay হোসেন=hossain",
    ),
    Language(
        65,
        "伟=wei 芳=fang 秀英=xiuying 敏=min 静怡=jingyi 志強=zhiqiang 子涵=zihan 浩然=haoran 淑芬=shufen 一=yi",
        "王=wang 李=li 張=zhang 刘=liu 陳=chen 杨=yang 欧阳=ouyang 司马=sima 龘=da 上官=shangguan 黃=huang",
        family_first=True,
        joiner="",
    ),
    Language(
        45,
        "太郎=taro さくら=sakura 健一=kenichi 花子=hanako ジェニファー=jennifer 美咲=misaki あゆみ=ayumi",
        "佐藤=sato 鈴木=suzuki 髙橋=takahashi 渡邉=watanabe 𠮷田=yoshida 齋藤=saito 勅使河原=teshigawara",
        family_first=True,
    ),
    Language(
        35,
        "민준=minjun 서연=seoyeon 지훈=jihoon 하은=haeun 도윤=doyun 수빈=subin 예린=yerin 현우=hyunwoo",
        "김=kim 이=lee 박=park 최=choi 정=jung 강=kang 황보=hwangbo 남궁=namgung",
        family_first=True,
        joiner="",
    ),
    Language(
        20,
        "สมชาย=somchai สุนิสา=sunisa กิตติศักดิ์=kittisak พิมพ์ชนก=phimchanok อนุชา=anucha วรรณภา=wannapha",
        "ศรีสุวรรณ=srisuwan แก้วมณี=kaewmanee วงศ์สวัสดิ์=wongsawat ทองคำ=thongkham รัตนโกสินทร์=rattanakosin",
    ),
    Language(5, "ნინო=nino გიორგი=giorgi თამარ=tamar", "ბერიძე=beridze მაისურაძე=maisuradze წიკლაური=tsiklauri"),
    Language(5, "Անահիտ=anahit Հովհաննես=hovhannes", "Հակոբյան=hakobyan Սարգսյան=sargsyan"),
    Language(5, "አበበ=abebe ትዕግስት=tigist", "በቀለ=bekele ኃይለማርያም=hailemariam"),
)

#: What a VPN-only member stands for: a place or a machine rather than a person.
PLACES = (
    "Berlin office", "São Paulo warehouse", "Kraków build server", "Osaka branch 大阪", "Backup robot", "Night shift",
    "Lagos data centre", "Monitoring", "Zürich Büro", "Test bench", "مكتب دبي", "Офис Алматы", "Release pipeline",
)  # fmt: skip

# Letters that no decomposition takes apart.
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "ß": "ss", "ı": "i", "œ": "oe"}
)  # fmt: skip


def plain(text: str) -> str:
    """Return the Latin letters and digits of ``text``, in lower case and without diacritics."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().translate(_PLAIN))
    return "".join(char for char in decomposed if char.isascii() and char.isalnum())


@cache
def _words(text: str) -> Sequence[tuple[str, str]]:
    """Return each word as (as written, in plain letters)."""
    pairs = (word.partition("=") for word in text.split())
    return [(unicodedata.normalize("NFC", written), latin or plain(written)) for written, _, latin in pairs]


@cache
def _weights() -> Sequence[int]:
    return [language.weight for language in LANGUAGES]


def person(rng: Random) -> Name:
    """Draw a name as an international company would have it: mostly two words, sometimes a hard case."""
    (language,) = rng.choices(LANGUAGES, _weights())
    name = language.name(rng)
    kind = rng.random()
    if kind < _LONGEST:
        return Name(_long(language, rng, joiner="")[:NAME_LENGTH], name.given, name.family)
    if kind < _LONG:
        return Name(_long(language, rng, joiner=" ")[: rng.randint(80, NAME_LENGTH)].strip(), name.given, name.family)
    if kind < _LONG + _SINGLE:
        return Name(rng.choice(_words(language.given))[0], name.given, name.family)
    return name


def _long(language: Language, rng: Random, *, joiner: str) -> str:
    """Return names in a row of at least ``NAME_LENGTH`` characters together."""
    parts: list[str] = []
    while sum(map(len, parts)) < NAME_LENGTH:
        parts.append(rng.choice(_words(language.given))[0] + joiner + rng.choice(_words(language.family))[0])
    return joiner.join(parts)
